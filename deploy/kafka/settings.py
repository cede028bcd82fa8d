"""What the brokers and Kafka's console tools are configured with."""

import json

from metadata import HOST


def broker_properties(broker, peers, tls):
    """Paths are relative to the broker's directory, in which it runs."""
    copies = min(len(peers), 3)
    in_sync = 2 if copies == 3 else 1
    kind = "SSL" if tls else "PLAINTEXT"
    clients = f"CLIENTS://{HOST}:{broker.port}"
    settings = {
        "node.id": broker.id,
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{b.id}@{HOST}:{b.controller_port}" for b in peers),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "listeners": f"{clients},CONTROLLER://{HOST}:{broker.controller_port}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": f"CLIENTS:{kind},CONTROLLER:{kind}",
        "log.dirs": "data",
        # What towline asks of its log.
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "unclean.leader.election.enable": "false",
        "auto.create.topics.enable": "false",
        "log.message.timestamp.type": "LogAppendTime",
        "message.max.bytes": 2 << 20,
        "replica.fetch.max.bytes": 2 << 20,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        # Tests wait for these: a dead broker is noticed in 6 s, a shortened retention applied in 10 s.
        "broker.heartbeat.interval.ms": 1000,
        "broker.session.timeout.ms": 6000,
        "replica.lag.time.max.ms": 10000,
        "log.retention.check.interval.ms": 10000,
        "group.initial.rebalance.delay.ms": 0,
        # Small: several brokers share one machine with what is tested.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 4,
        "offsets.topic.segment.bytes": 8 << 20,
        "log.cleaner.dedupe.buffer.size": 4 << 20,
        "log.cleaner.io.buffer.size": 256 << 10,
    }
    if tls:
        settings.update({
            "ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "../tls/broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "../tls/ca.crt",
        })
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def client_properties(tls_directory):
    """For Kafka's console tools; librdkafka takes ca.crt, client.crt and client.key as they are."""
    if not tls_directory:
        return "security.protocol=PLAINTEXT\n"
    # The escapes of JSON are those of a properties file too.
    keys, authority = (json.dumps(str(tls_directory / name))[1:-1] for name in ("client.pem", "ca.crt"))
    return (f"security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location={keys}\n"
            f"ssl.truststore.type=PEM\nssl.truststore.location={authority}\n")
