"use strict";
// Draws the charts of the page from the specs beside it, each when it is about to be seen.
(() => {
  const { charts, runs } = JSON.parse(document.getElementById("data").textContent);
  // Of middling lightness, so that they are told from white paper and from a dark screen alike.
  const BLUE = "#3b82c4", GREEN = "#2a9d6b", RED = "#d6484f", AMBER = "#b9791c", GREY = "#8490a0", VIOLET = "#9a6bd0";
  const LOOKS = {
    pass: [GREEN, "circle"],
    fail: [RED, "x"],
    undecided: [AMBER, "diamond-open"],
    regression: [RED, "x"],
    slower: [AMBER, "triangle-right"],
    improvement: [GREEN, "triangle-left"],
    same: [BLUE, "circle"],
    share: [BLUE, "circle"],
    limit: [GREY, "square-open"],
  };
  const PRINT_WIDTH = 660;
  let printing = false;

  // plotly.js reads a little HTML in its text: names are text.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (name, most) => plain(name.length <= most ? name : name.slice(0, most - 9) + "…" + name.slice(-8));
  const isNarrow = (width) => width < 480;

  function layoutOf(width, height, more) {
    return Object.assign({
      width, height,
      margin: { l: 12, r: 16, t: 8, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { size: 12 },
      hoverlabel: { bgcolor: "#263445", bordercolor: "#263445", font: { size: 12, color: "#ffffff" }, align: "left", namelength: -1 },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "normal", font: { size: 12 }, itemclick: false, itemdoubleclick: false },
      dragmode: false, hovermode: "closest",
    }, more);
  }

  // A row a name: beside the plot where there is room, above its row where there is not.
  function rowsOf(names, width, withLegend, values = []) {
    const narrow = isNarrow(width), step = narrow ? 44 : 30;
    const longest = Math.max(...names.map((name) => Math.min(name.length, 34)));
    const written = Math.max(0, ...values.map((value) => value.length));
    const right = narrow || !written ? 18 : 6.2 * written + 24;
    const margin = { l: narrow ? 8 : Math.min(0.42 * width, 6.6 * longest + 18), r: right, t: withLegend ? 30 : 8, b: 44 };
    const besides = values.map((value, index) => ({
      text: plain(value), showarrow: false, xref: "paper", x: 1, xanchor: narrow ? "right" : "left", xshift: narrow ? 0 : 12,
      y: index, yshift: narrow ? 17 : 0, font: { size: 12 },
    }));
    return {
      height: margin.t + margin.b + step * names.length,
      margin,
      yaxis: {
        range: [names.length - 0.5, narrow ? -0.7 : -0.5], fixedrange: true, zeroline: false, showgrid: false,
        tickmode: "array", tickvals: names.map((_, index) => index),
        ticktext: narrow ? names.map(() => "") : names.map((name) => short(name, 34)),
      },
      annotations: narrow ? besides.concat(names.map((name, index) => ({
        text: short(name, Math.floor(width / 7.2) - written), showarrow: false, xref: "paper", x: 0, xanchor: "left", y: index,
        yshift: 17, font: { size: 12 },
      }))) : besides,
    };
  }

  function nice(low, high, most) {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const found = [];
    for (let each = Math.ceil(low / step - 1e-9) * step; each <= high + 1e-9 * step; each += step) found.push(each);
    return found;
  }

  function ticks(low, high, log, width) {
    if (!log || high / low < 2.5) return nice(low, high, Math.max(3, Math.floor(width / 80)));
    for (const digits of [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 5], [1, 3], [1]]) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        for (const each of digits) found.push(+(each * 10 ** power).toPrecision(3));
      const inside = found.filter((each) => each >= low && each <= high);
      if (inside.length <= width / 40 || digits.length === 1) return inside;
    }
  }

  const written = (value) => (+value.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 });

  function axis(all, log, width, title, format) {
    // A damaged figure may be 0 or below, which no log axis has.
    const values = log ? all.filter((each) => each > 0) : all;
    const least = values.length ? Math.min(...values) : 1, most = values.length ? Math.max(...values) : 1;
    const space = log ? Math.max((most / least) ** 0.06, 1.02) : Math.max(0.06 * (most - least), 1e-9);
    const [low, high] = log ? [least / space, most * space] : [least - space, most + space];
    const at = ticks(low, high, log, width);
    return {
      type: log ? "log" : "linear", range: log ? [Math.log10(low), Math.log10(high)] : [low, high], fixedrange: true,
      tickmode: "array", tickvals: at, ticktext: at.map(format || written), zeroline: false,
      title: { text: title, font: { size: 12 }, standoff: 8 },
    };
  }

  const upright = (x, dash) => ({
    type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, layer: "below",
    line: { color: GREY, width: 1.2, dash },
  });

  function intervals(spec, width) {
    const rows = spec.rows, names = rows.map((row) => row.name);
    const looks = [...new Set(rows.map((row) => row.as))];
    const traces = looks.map((look) => {
      const at = rows.map((_, index) => index).filter((index) => rows[index].as === look);
      const [color, symbol] = LOOKS[look] || LOOKS.share;
      const bounded = (row) => row.low && row.high;
      return {
        type: "scatter", mode: "markers", name: look, showlegend: look !== "share",
        x: at.map((index) => rows[index].value), y: at, hoverinfo: "text",
        hovertext: at.map((index) => `${plain(rows[index].name)}<br>${plain(rows[index].said)}`),
        marker: { color, symbol, size: 10, line: { width: symbol.endsWith("open") ? 2 : 0, color } },
        error_x: {
          type: "data", symmetric: false, thickness: 2, width: 4, color,
          array: at.map((index) => (bounded(rows[index]) ? rows[index].high - rows[index].value : 0)),
          arrayminus: at.map((index) => (bounded(rows[index]) ? rows[index].value - rows[index].low : 0)),
        },
      };
    });
    const marked = rows.map((_, index) => index).filter((index) => rows[index].mark !== null);
    if (marked.length) traces.push({
      type: "scatter", mode: "markers", name: spec.mark, x: marked.map((index) => rows[index].mark), y: marked,
      hoverinfo: "text", hovertext: marked.map((index) => `${plain(spec.mark)} of ${plain(rows[index].name)}: ${written(rows[index].mark)}`),
      marker: { symbol: "line-ns-open", size: isNarrow(width) ? 10 : 16, color: GREY, line: { width: 3, color: GREY } },
    });
    const values = rows.flatMap((row) => [row.value, row.low, row.high, row.mark]).filter((each) => each !== null && each > 0);
    const frame = rowsOf(names, width, true, rows.map((row) => row.value_said));
    const inside = width - frame.margin.l - frame.margin.r;
    return [traces, layoutOf(width, frame.height, Object.assign(frame, {
      xaxis: axis([...values, 1], spec.log, inside, spec.axis), shapes: [upright(1, "dot")],
    }))];
  }

  function phases(spec, width) {
    const names = spec.rows.map((row) => row.name), frame = rowsOf(names, width, true);
    const parts = [["first", "first batch", AMBER, "/"], ["steady", "steady", BLUE, ""], ["teardown", "teardown", GREY, "."]];
    const whole = spec.rows.map((row) => row.first + row.steady + row.teardown);
    const traces = parts.map(([key, name, color, shape], part) => ({
      type: "bar", orientation: "h", name, y: names.map((_, index) => index), width: isNarrow(width) ? 0.36 : 0.6,
      x: spec.rows.map((row, index) => 100 * row[key] / whole[index]), hoverinfo: "text", textposition: "none",
      hovertext: spec.rows.map((row) => `${plain(row.name)}<br>${name}: ${plain(row.said[part])}`),
      marker: { color, pattern: { shape, size: 6, solidity: 0.15, fillmode: "overlay", fgcolor: "#ffffff" } },
    }));
    return [traces, layoutOf(width, frame.height, Object.assign(frame, {
      barmode: "stack",
      xaxis: { range: [0, 100], fixedrange: true, ticksuffix: " %", nticks: 6, title: { text: "share of the epoch and its teardown", font: { size: 12 }, standoff: 8 } },
    }))];
  }

  function bars(spec, width) {
    const names = spec.rows.map((row) => row.name), frame = rowsOf(names, width, false);
    frame.margin.b = 10;
    frame.height -= 34;
    const most = spec.most || Math.max(...spec.rows.map((row) => row.value));
    const traces = [{
      type: "bar", orientation: "h", y: names.map((_, index) => index), x: spec.rows.map((row) => row.value),
      text: spec.rows.map((row) => plain(row.said)), textposition: "outside", cliponaxis: false,
      hoverinfo: "text", hovertext: spec.rows.map((row) => `${plain(row.name)}: ${plain(row.said)}`),
      width: isNarrow(width) ? 0.36 : 0.6, marker: { color: BLUE },
    }];
    return [traces, layoutOf(width, frame.height, Object.assign(frame, {
      showlegend: false, xaxis: { range: [0, 1.28 * most], fixedrange: true, showticklabels: false, showgrid: false, zeroline: false },
    }))];
  }

  function map(spec, width) {
    const sizes = spec.points.map((each) => each.bytes).filter((each) => each > 0);
    const least = Math.min(...sizes), nothing = least / 4;
    const place = (each) => each.bytes || nothing;
    const size = (bytes) => (bytes === nothing ? "0" : bytes >= 1e6 ? `${written(bytes / 1e6)} MB` : bytes >= 1e3 ? `${written(bytes / 1e3)} KB` : `${written(bytes)} B`);
    const inside = width - 80, height = 360;
    const x = axis([nothing, ...sizes], true, 0.6 * inside, "bytes an image beside the tree, log scale", size);
    const shown = x.tickvals.filter((each) => each >= least / 1.5);
    x.tickvals = [nothing, ...(shown.length ? shown : sizes.slice(0, 1))];
    x.ticktext = x.tickvals.map(size);
    const y = axis(spec.points.map((each) => each.rate), true, 320, "images/s, log scale");

    // Names where there is room for them, those on the front first.
    const share = (value, [low, high]) => (Math.log10(value) - low) / (high - low);
    const taken = [], named = new Map();
    const order = [...spec.points].sort((one, other) => (other.front === "yes") - (one.front === "yes"));
    for (const each of order) {
      const at = [inside * share(place(each), x.range), (height - 74) * share(each.rate, y.range)];
      const name = short(each.name, 26), long = 6.5 * Math.min(each.name.length, 26) + 14;
      for (const [side, from] of [["middle right", at[0] + 8], ["middle left", at[0] - 8 - long]]) {
        const fits = from >= 0 && from + long <= inside + 10;
        if (named.has(each) || !fits || taken.some(([low, high, level]) => from < high && from + long > low && Math.abs(level - at[1]) < 14)) continue;
        named.set(each, [name, side]);
        taken.push([from, from + long, at[1]]);
      }
    }
    const groups = [["none", "nothing written", BLUE, "circle"], ["disk", "on disk", GREEN, "square"], ["memory", "in memory", AMBER, "diamond"]];
    const traces = groups.map(([where, name, color, symbol]) => {
      const points = spec.points.filter((each) => each.where === where);
      return {
        type: "scatter", mode: "markers+text", name, x: points.map(place), y: points.map((each) => each.rate),
        text: points.map((each) => (named.get(each) || [""])[0]), textfont: { size: 11 }, cliponaxis: false,
        textposition: points.map((each) => (named.get(each) || ["", "middle right"])[1]),
        hoverinfo: "text", hovertext: points.map((each) => `${plain(each.name)}<br>${plain(each.said)}`),
        marker: { symbol: points.map((each) => symbol + (each.front === "yes" ? "" : "-open")), size: 11, color, line: { width: 2, color } },
      };
    }).filter((trace) => trace.x.length);
    return [traces, layoutOf(width, height, { margin: { l: 62, r: 18, t: 30, b: 44 }, xaxis: x, yaxis: y, showlegend: true })];
  }

  function cores(spec, width) {
    const rows = spec.rows, narrow = isNarrow(width), height = 420, colors = [BLUE, GREEN, AMBER, VIOLET, RED, GREY];
    const last = (row) => (row.predicted.length ? row.predicted[0] : row.points[row.points.length - 1]);
    const every = rows.flatMap((row) => [...row.points, ...row.predicted]);
    const longest = Math.max(...rows.map((row) => Math.min(row.name.length, 26)));
    const margin = { l: 62, r: narrow ? 18 : 6.6 * longest + 24, t: narrow ? 30 : 8, b: 44 };
    const numbers = [...new Set(every.map((each) => each.cores))].sort((one, other) => one - other);
    const x = axis(numbers, true, width - margin.l - margin.r, "cores, log scale");
    Object.assign(x, { tickvals: numbers, ticktext: numbers.map(written) });
    const y = axis(every.flatMap((each) => [each.rate, each.low, each.high]).filter((each) => each > 0), true, 320, "images/s, log scale");
    const traces = rows.flatMap((row, index) => {
      const color = colors[index % colors.length], group = { legendgroup: String(index), name: short(row.name, 26) };
      const points = (some, symbol, showlegend) => ({
        ...group, type: "scatter", mode: "markers", showlegend, x: some.map((each) => each.cores), y: some.map((each) => each.rate),
        hoverinfo: "text", hovertext: some.map((each) => `${plain(row.name)}, ${each.cores} cores<br>${plain(each.said)}`),
        marker: { color, symbol, size: 9, line: { width: 2, color } },
        error_y: {
          type: "data", symmetric: false, thickness: 1.5, width: 3, color,
          array: some.map((each) => (each.low && each.high ? each.high - each.rate : 0)),
          arrayminus: some.map((each) => (each.low && each.high ? each.rate - each.low : 0)),
        },
      });
      const line = { color, width: 1.5, dash: row.is_limit ? "dash" : "solid" };
      return [
        { ...group, type: "scatter", mode: "lines", showlegend: false, hoverinfo: "skip", x: row.curve.map((each) => each[0]), y: row.curve.map((each) => each[1]), line },
        points(row.points, row.is_limit ? "square" : "circle", narrow),
        points(row.predicted, row.is_limit ? "square-open" : "circle-open", false),
      ];
    });
    // What gains as much as the cores: from the slowest start, where it is in nobody's way.
    const [from, to] = [numbers[0], numbers[numbers.length - 1]], start = Math.min(...rows.map((row) => row.points[0].rate));
    traces.push({ type: "scatter", mode: "lines", showlegend: false, hoverinfo: "skip", x: [from, to], y: [start, start * to / from], line: { color: GREY, width: 1, dash: "dot" } });
    // Names at the right end, from the top down, moved where they would lie on each other.
    const up = (value) => (Math.log10(value) - y.range[0]) / (y.range[1] - y.range[0]) * (height - margin.t - margin.b);
    let above = Infinity;
    const annotations = narrow ? [] : rows.map((row, index) => [row, colors[index % colors.length]])
      .sort(([one], [other]) => last(other).rate - last(one).rate).map(([row, color]) => {
        const at = up(last(row).rate);
        above = Math.min(at, above - 14);
        return {
          text: short(row.name, 26), xref: "paper", x: 1, xanchor: "left", xshift: 8, yref: "paper", y: 0, yanchor: "middle",
          yshift: above, showarrow: false, font: { size: 11, color },
        };
      });
    return [traces, layoutOf(width, height, { margin, xaxis: x, yaxis: y, showlegend: narrow, annotations })];
  }

  function passes(spec, width) {
    const looks = [[GREY, "circle-open"], [AMBER, "diamond-open"], [BLUE, "circle"]];
    const last = spec.sides.length - 1;
    const traces = spec.sides.map((side, index) => {
      const [color, symbol] = looks[index === last ? 2 : index];
      return {
        type: "scatter", mode: "lines+markers", name: short(side.name, 30), x: side.seconds.map((_, pass) => pass + 1), y: side.seconds,
        hoverinfo: "text", hovertext: side.seconds.map((each, pass) => `${plain(side.name)}, block ${Math.floor(pass / 2) + 1}, pass ${pass % 2 + 1}<br>${written(+each.toPrecision(4))} s`),
        line: { color, width: 1 }, marker: { color, symbol, size: 7 },
      };
    });
    const y = axis(spec.sides.flatMap((side) => side.seconds), true, 320, "seconds, log scale");
    const x = { title: { text: "pass", font: { size: 12 }, standoff: 8 }, fixedrange: true, zeroline: false, tickformat: "d", nticks: 8 };
    return [traces, layoutOf(width, 280, { margin: { l: 62, r: 18, t: 30, b: 44 }, xaxis: x, yaxis: y, showlegend: true })];
  }

  function history(spec, width, box) {
    const at = spec.value.map((_, index) => index), last = at.length - 1;
    const run = (index) => runs[Array.isArray(spec.runs) ? spec.runs[index] : spec.runs + index];
    const low = (index) => spec.value[index] * Math.exp(-spec.half[index]);
    const high = (index) => spec.value[index] * Math.exp(spec.half[index]);
    const rounded = (value) => written(+value.toPrecision(3));
    const said = (index) => {
      const of = run(index), rate = spec.rate[index];
      const interval = spec.half[index] === null ? "" : ` (${rounded(low(index))}–${rounded(high(index))})`;
      return `Run ${plain(of.run)}, ${plain(of.on)}<br>${plain(of.of)}${of.branch ? ` on ${plain(of.branch)}` : ""}<br>` +
        `speedup ${rounded(spec.value[index])}${interval}` + (rate === null ? "" : `<br>${written(Math.round(rate))} images/s`);
    };
    const bounded = at.filter((index) => spec.half[index] !== null);
    const levels = spec.levels.flatMap((level) => [[level.from - 0.4, level.value], [level.to + 0.4, level.value], [null, null]]);
    const line = { type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0 } };
    const values = [...spec.value, ...bounded.flatMap((index) => [low(index), high(index)])];
    const y = axis(values, Math.max(...values) / Math.min(...values) > 6, 400, "speedup");
    const foot = y.range[0], atFoot = y.type === "log" ? 10 ** foot : foot;
    const dates = (from, to) => {
      const [first, final] = [Math.max(0, Math.ceil(from)), Math.min(last, Math.floor(to))];
      const most = Math.max(2, Math.floor(width / 95)), step = Math.ceil((final - first + 1) / most);
      const ticks = at.filter((index) => index >= first && index <= final && (index - first) % step === 0);
      return [ticks, ticks.map((index) => plain(run(index).on.slice(2)))];
    };
    // A mark a run where there is room for it: a thousand of them would take long to draw.
    const modeOf = (from, to) => (to - from < width / 3 ? "lines+markers" : "lines");
    const [tickvals, ticktext] = dates(0, last);
    box.onZoom = (from, to) => {
      const [vals, text] = dates(from, to);
      Plotly.update(box, { mode: modeOf(from, to) }, { "xaxis.tickvals": vals, "xaxis.ticktext": text }, [2]);
      for (const button of box.parentElement.querySelectorAll(".ranges button"))
        button.setAttribute("aria-pressed", String(Math.abs(button.dataset.from - from) < 0.01 && to > last));
    };
    const traces = [
      { ...line, x: bounded, y: bounded.map(low) },
      { ...line, x: bounded, y: bounded.map(high), fill: "tonexty", fillcolor: "rgba(59,130,196,0.22)" },
      {
        type: "scatter", mode: modeOf(0, last), x: at, y: spec.value, hoverinfo: "text", hovertext: at.map(said),
        line: { color: BLUE, width: 1 }, marker: { color: BLUE, size: 6 },
      },
      { ...line, x: levels.map((each) => each[0]), y: levels.map((each) => each[1]), line: { color: GREY, width: 2.5 } },
      {
        type: "scatter", mode: "markers", cliponaxis: false, x: spec.marks.map((mark) => mark.at - 0.5), y: spec.marks.map(() => atFoot),
        hoverinfo: "text", hovertext: spec.marks.map((mark) => `Run ${plain(run(mark.at).run)}: ${plain(mark.said)}`),
        marker: { symbol: "triangle-up", color: VIOLET, size: 10 },
      },
    ];
    const x = {
      range: [-0.6, last + 0.6], tickmode: "array", tickvals, ticktext,
      zeroline: false, showgrid: false, minallowed: -0.6, maxallowed: last + 0.6,
    };
    const color = (step) => (step.slower ? RED : GREEN);
    const shapes = [
      ...spec.marks.map((mark) => ({ ...upright(mark.at - 0.5, "dot"), line: { color: VIOLET, width: 1, dash: "dot" } })),
      ...spec.steps.map((step) => ({ ...upright(step.at - 0.5, "dash"), line: { color: color(step), width: 2, dash: "dash" } })),
    ];
    const annotations = spec.steps.map((step) => ({
      x: step.at - 0.5, yref: "paper", y: 1, yanchor: "bottom", xanchor: step.at > 0.85 * last ? "right" : step.at < 0.15 * last ? "left" : "center",
      text: `${step.slower ? "▼" : "▲"} ${plain(step.said)}`, hovertext: plain(step.more), showarrow: false, font: { size: 12 },
    }));
    if (!box.previousElementSibling || !box.previousElementSibling.classList.contains("ranges")) addRanges(box, last);
    return [traces, layoutOf(width, 260, {
      margin: { l: 52, r: 14, t: 26, b: 30 }, xaxis: x, yaxis: y, showlegend: false, shapes, annotations,
      uirevision: "as zoomed",
      // A finger on a chart scrolls the page; the buttons above it zoom.
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", hovermode: "closest", hoverdistance: 30,
    })];
  }

  // Zoom for those without a mouse.
  function addRanges(box, last) {
    const ranges = document.createElement("div");
    ranges.className = "ranges";
    ranges.setAttribute("role", "group");
    ranges.setAttribute("aria-label", "Runs to show");
    for (const count of [Infinity, 100, 30, 10]) {
      if (count !== Infinity && count >= last + 1) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = count === Infinity ? "All" : `Last ${count}`;
      button.setAttribute("aria-pressed", String(count === Infinity));
      button.dataset.from = count === Infinity ? -0.6 : last + 0.4 - count;
      button.addEventListener("click", () => {
        Plotly.relayout(box, { "xaxis.range": [Number(button.dataset.from), last + 0.6] });
      });
      ranges.append(button);
    }
    if (ranges.children.length > 1) box.before(ranges);
  }

  // All light enough for dark text, by day and at night: see page.css.
  const STAGE_COLORS = {
    read: "#7c8fd6", decode: "#c98a3a", resize: "#4fa384", convert: "#a06fb8", batch: "#5b9fc9", "hand over": "#c77f9b",
    train: "#8f9a45", wait: "#9aa3ae", other: "#b0967e",
  };

  function flame(spec, width) {
    const { parents, names, said, stages, head, base } = spec.nodes;
    // A node is at least as wide as all that it has called, of both sides.
    const inside = names.map(() => 0), wide = names.map(() => 0), depth = names.map(() => 1);
    for (let node = names.length - 1; node >= 0; node--) {
      wide[node] = Math.max(head[node], base ? base[node] : 0, inside[node]);
      if (parents[node] >= 0) inside[parents[node]] += wide[node];
    }
    for (let node = 0; node < names.length; node++) if (parents[node] >= 0) depth[node] = depth[parents[node]] + 1;
    const all = wide.reduce((sum, each, node) => sum + (parents[node] < 0 ? each : 0), 0);
    const more = base ? head.map((each, node) => each - base[node]) : [];
    const most = Math.max(1e-12, ...more.map(Math.abs));
    const mixed = (share, to) => `rgb(${[213, 217, 223].map((each, index) => Math.round(each + share * (to[index] - each)))})`;
    const shade = (share) => mixed(Math.abs(share), share > 0 ? [224, 105, 111] : [93, 155, 211]);
    const colors = base ? more.map((each) => shade(each / most)) : stages.map((stage) => STAGE_COLORS[stage] || STAGE_COLORS.other);
    const trace = {
      type: "icicle", branchvalues: "total", sort: false, maxdepth: -1,
      ids: ["all", ...names.map((_, node) => String(node))],
      labels: ["all threads", ...names.map(plain)],
      parents: ["", ...parents.map((parent) => (parent < 0 ? "all" : String(parent)))],
      values: [all, ...wide],
      hovertext: ["all threads", ...said.map(plain)], hoverinfo: "text", textinfo: "label",
      marker: { colors: ["#c3c9d1", ...colors], line: { width: 1, color: "#8490a0" } },
      tiling: { orientation: "v", pad: 0 }, pathbar: { visible: false }, leaf: { opacity: 1 }, textfont: { size: 11 }, insidetextfont: { size: 11 },
    };
    const height = Math.min(720, 20 + 24 * (1 + Math.max(0, ...depth)));
    return [[trace], layoutOf(width, height, { margin: { l: 0, r: 0, t: 4, b: 4 } })];
  }

  const KINDS = { intervals, phases, bars, map, cores, passes, history, flame };

  // The library takes longer to start than all else: it does so when the page is there to be read.
  function start() {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }

  function draw(box) {
    if (!window.Plotly) start();
    const spec = charts[box.dataset.chart], width = printing ? PRINT_WIDTH : box.clientWidth;
    if (!spec || !width) return;
    const [traces, layout] = KINDS[spec.kind](spec, width, box);
    for (const name of ["xaxis", "yaxis"]) if (layout[name]) layout[name] = Object.assign({ gridwidth: 1 }, layout[name]);
    box.classList.toggle("named", Boolean(layout.yaxis && layout.yaxis.ticktext) && !["map", "cores", "passes"].includes(spec.kind));
    box.dataset.width = width;
    Plotly.react(box, traces, layout, { displayModeBar: false, doubleClick: "reset", showTips: false });
    if (spec.kind === "history" && !box.dataset.drawn) box.on("plotly_relayout", (changed) => {
      if (Object.keys(changed).some((name) => /^xaxis\.(range|autorange)/.test(name))) box.onZoom(...box.layout.xaxis.range);
    });
    box.dataset.drawn = "yes";
  }

  const boxes = [...document.querySelectorAll(".chart")];
  // One at a time, the next to the middle of the screen first, so that the page can be scrolled meanwhile.
  const near = new Set();
  const away = (box) => Math.abs(box.getBoundingClientRect().top - innerHeight / 2);
  function drawNext() {
    const [next] = [...near].sort((one, other) => away(one) - away(other));
    if (!next) return;
    near.delete(next);
    if (!next.dataset.drawn) draw(next);
    setTimeout(drawNext);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !target.dataset.drawn) near.add(target);
      else near.delete(target);
    }
    setTimeout(drawNext);
  }, { rootMargin: "400px" });
  const resized = new ResizeObserver((entries) => requestAnimationFrame(() => {
    for (const { target } of entries)
      if (!printing && target.dataset.drawn && Math.abs(target.clientWidth - target.dataset.width) > 1) draw(target);
  }));
  addEventListener("load", () => setTimeout(() => {
    for (const box of boxes) {
      seen.observe(box);
      resized.observe(box);
    }
  }));
  addEventListener("beforeprint", () => { printing = true; boxes.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; boxes.filter((box) => box.dataset.drawn).forEach(draw); });
})();
