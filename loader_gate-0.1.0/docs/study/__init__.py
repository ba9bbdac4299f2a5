"""How often the gate is right: real passes recorded, sessions replayed, and live ones to confirm them."""
