"""SIP trunks: one actor for each, and the exchange that starts calls through them."""
