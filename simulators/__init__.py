"""The outside world as product code: phones, carrier, bus and clock that behave like the real ones."""
