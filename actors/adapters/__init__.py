"""The real outside world behind the ports: NATS, adb, SQLite, the system clock."""
