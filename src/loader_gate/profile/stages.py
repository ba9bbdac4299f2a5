"""Which stage of a loader a stack belongs to.

The rule: of what the loader's own code has called, the frame nearest the leaf that a table below knows
decides. `read` and other calls of the system count only where no other frame is known: it may be of a file or
of a pipe, and who called it knows which. Where the own code has called no library, the names of its functions
decide in the same way. What no table knows is `other`.
"""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.profile.stacks import Frame, Profile

Stage: TypeAlias = Literal[
    "read", "decode", "resize", "convert", "batch", "hand over", "train", "wait", "other"
]
STAGES: tuple[Stage, ...] = get_args(Stage)

Table: TypeAlias = tuple[tuple[Stage, str, str], ...]

#: In the place of files: of an operation of TensorFlow, which has none.
_OPERATION = "-"
_NUMPY = "numpy/* *_multiarray*"
_PIPES = "multiprocessing/connection.py"
#: Names of functions, and the files or libraries that they are in, as patterns of a shell with spaces between
#: them. The first line that fits a frame has it.
_KNOWN: Table = (
    # Waiting for another thread or process, for the interpreter's lock, or asleep.
    ("wait", "wait *.wait acquire *.acquire join *.join *._wait_for_tstate_lock", "threading.py"),
    ("wait", "get put *.get *.put", "queue.py"),
    ("wait", "*", "selectors.py subprocess.py asyncio/*"),
    ("wait", "result *.result _result_or_cancel wait as_completed*", "concurrent/futures/_base.py"),
    ("wait", "_worker", "concurrent/futures/thread.py"),
    ("wait", "wait poll *.poll *._poll *_recv *_recv_bytes", f"{_PIPES} multiprocessing/popen_*.py"),
    ("wait", "acquire *.acquire *.__enter__", "multiprocessing/synchronize.py"),
    ("wait", "PyThread_acquire_lock* lock_PyThread_acquire* rlock_acquire* _queue_SimpleQueue_get*", "*"),
    ("wait", "_multiprocessing_SemLock_acquire*", "*"),
    ("wait", "take_gil PyMutex_Lock* _PyMutex_Lock* _PyParkingLot_Park* _PySemaphore_*", "*"),
    ("wait", "time_sleep pysleep *nanosleep", "*"),
    (
        "wait",
        "*futex* *sem_*wait* *cond_*wait* *poll* *epoll_*wait* *lll_lock_wait* wait4 waitpid",
        "libc[.-]*",
    ),
    ("wait", "*sem_*wait* *cond_*wait* *lll_lock_wait*", "libpthread*"),
    ("wait", "Iterator::Prefetch* Iterator::MapAndBatch* Iterator::ParallelMap*", _OPERATION),
    ("wait", "Iterator::ParallelInterleave* Iterator::Root Iterator::Model Iterator::MaxIntra*", _OPERATION),
    ("wait", "PrefetchProduce MapAndBatchProduce IteratorGetNext*", _OPERATION),
    # Between threads and processes, and from the loader to who uses the batches.
    ("hand over", "*", f"{_PIPES} multiprocessing/reduction.py multiprocessing/queues.py"),
    (
        "hand over",
        "*",
        "multiprocessing/pool.py multiprocessing/shared_memory.py multiprocessing/managers.py",
    ),
    ("hand over", "*", "torch/multiprocessing/* torch/utils/data/_utils/pin_memory.py"),
    ("hand over", "_real read_if_mapped as_dataset*", "loader_gate/worker/*"),
    ("hand over", "*_pickle_* _Pickler_* _Unpickler_*", "*"),
    ("hand over", "*.numpy *._numpy *.__array__", "tensorflow/*"),
    ("hand over", "TFE_DeleteTensorHandle _Send _Recv Iterator::Generator*", _OPERATION),
    # The model of the workload training.
    ("train", "*train_step *one_step_on_data *multi_step_on_iterator fit *.fit", "keras/*"),
    ("train", "fit *.fit", "loader_gate/worker/consumers/* loader_gate/worker/torch_loop.py"),
    # Decoding.
    ("decode", "*", "*libjpeg* *libturbojpeg* *libpng* *libwebp* *libtiff* *libspng* *nvjpeg*"),
    ("decode", "*", "simplejpeg/* turbojpeg* PIL/ImageFile.py PIL/JpegImagePlugin.py PIL/PngImagePlugin.py"),
    ("decode", "*decode* *Decode* *imread* tjDecompress* jpeg_* jsimd_* *idct*", "*"),
    ("decode", "open _open_core open.<locals>* load draft *.load *.draft", "PIL/*"),
    # Resizing.
    ("resize", "*resize* *Resize* *resample* *Resample* *thumbnail* *interpolate* *CropAndResize*", "*"),
    # Making batches of images.
    ("batch", "*collate*", "*"),
    ("batch", "stack vstack *concatenate* PyArray_Concatenate* cat", f"{_NUMPY} torch/*"),
    (
        "batch",
        "array_subscript array_assign_subscript array_take PyArray_TakeFrom* *MapIter* *mapiter*",
        _NUMPY,
    ),
    # A function of `map` has ended: where that makes batches too, its image is copied into one.
    ("batch", "Iterator::*Batch* Iterator::*Cache* MapAndBatchConsume ExecutorDoneCallback", _OPERATION),
    ("batch", "ConcatV2 Pack", _OPERATION),
    # From the numbers that a decoder gives to those that are asked for.
    ("convert", "*astype* *_cast_* *copyto* *ufunc_generic* *true_divide* array_multiply array_divide", "*"),
    ("convert", "DOUBLE_* FLOAT_* HALF_* BYTE_* UBYTE_* INT_* UINT_* SHORT_* USHORT_* LONG_*", _NUMPY),
    ("convert", "array_asarray array_array asarray PyArray_FromAny*", _NUMPY),
    (
        "convert",
        "*img_to_array* *standardize* *cvtColor* *convertTo* *normalize* *to_tensor* *to_float*",
        "*",
    ),
    ("convert", "convert *.convert *.__array_interface__ *tobytes *frombytes fromarray *_convert*", "PIL/*"),
    ("convert", "Cast Mul Sub RealDiv AddV2 Maximum Minimum Round ClipByValue OneHot", _OPERATION),
    ("convert", "Transpose Reshape ExpandDims Squeeze ConvertImage*", _OPERATION),
    # Reading files.
    ("read", "_io_* FileIO* fileio_* _bufferedreader_* *.read_bytes *.read_text", "*"),
    ("read", "mmap_* os_listdir* os_scandir*", "*"),
    ("read", "*", "gzip.py zipfile.py zipfile/* tarfile.py pathlib.py pathlib/* *mmapmodule.c"),
    ("read", "ReadFile MatchingFiles *TFRecord* *FixedLengthRecord* *TextLine* Iterator::List*", _OPERATION),
)
#: Likewise of the system's own.
_SYSTEM: Table = (
    ("read", "read *_read read64 pread* *_pread* readv preadv* os_open* os_read* os_stat* os_pread*", "*"),
    ("read", "open open64 *_open *_open64 openat* stat* fstat* lstat* close lseek*", "*"),
)
#: Libraries that any code runs on.
_OF_PYTHON = "libc[.-]* libpython* libpthread* ld-linux* python*"
#: Who is asleep waits for nobody: that is the doing of the function that it was called by.
_ASLEEP = ("time_sleep", "pysleep", "*nanosleep")


def stage_of(stack: Sequence[Frame]) -> Stage:
    """Return the stage of a stack, which begins with its root."""
    last_own = max((index for index, frame in enumerate(stack) if frame.is_own), default=-1)
    called = stack[last_own + 1 :]
    own = [] if any(map(_is_of_library, called)) else [frame for frame in stack if frame.is_own]
    for table, frames in ((_KNOWN, called), (_SYSTEM, called), (_KNOWN, own)):
        for frame in reversed(frames):
            if stage := _stage(table, frame.function, frame.file):
                return stage
    return "other"


def _is_of_library(frame: Frame) -> bool:
    return bool(frame.file) and not _fits(frame.file, _OF_PYTHON)


@cache
def _stage(table: Table, function: str, file: str) -> Stage | None:
    for stage, functions, files in table:
        if _fits(file or _OPERATION, files) and _fits(function, functions):
            return stage
    return None


def _fits(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


def waits_for_others(stack: Sequence[Frame]) -> bool:
    """Return whether a stack waits for another thread or process: it is not what takes the time."""
    asleep = any(fnmatchcase(frame.function, each) for frame in stack for each in _ASLEEP)
    return not asleep and stage_of(stack) == "wait"


def shares_of(profile: Profile) -> dict[Stage, float]:
    """Return what share of the time of all threads and processes is of each stage, in the order of `STAGES`.

    Stages without any are left out.
    """
    found: dict[Stage, float] = defaultdict(float)
    for stack, seconds in profile.seconds.items():
        found[stage_of(stack)] += seconds
    whole = profile.whole
    return {stage: found[stage] / whole for stage in STAGES if whole > 0 and found.get(stage, 0.0) > 0}
