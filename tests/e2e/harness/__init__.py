"""Real processes, real Kafka, real clients: what the tests stand on."""
