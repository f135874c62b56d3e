"""The way to a broker: its address, the client, credentials, the embedded one."""
