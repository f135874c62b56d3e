"""What happens to cards, brokers, databases and disks, and what strangers send: blows of `bench.chaos`."""
