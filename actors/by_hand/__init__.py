"""What people do with a phone by hand: its screen, its files, its apps, its log."""
