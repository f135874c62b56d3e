"""MQTT brokers: the collector's clients, credentials, and the embedded broker."""
