"""What happens to boards, brokers, databases and disks, and what strangers send: blows of `bench.chaos`."""
