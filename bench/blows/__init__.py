"""What `bench.chaos` disturbs, and how: cards, brokers, databases and disks, and what strangers send."""
