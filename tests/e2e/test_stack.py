# SPDX-License-Identifier: Apache-2.0
"""The local stack: a real broker and a real Redis, usable by clients that are not ours."""
import subprocess

import confluent_kafka
import confluent_kafka.admin
import redis

from conftest import ROOT


def test_kafka_keeps_what_a_client_wrote(stack, prefix):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": stack["bootstrap_servers"]})
    topic = confluent_kafka.admin.NewTopic(prefix + ".main", 3, 1)
    admin.create_topics([topic])[topic.topic].result(20)
    producer = confluent_kafka.Producer({"bootstrap.servers": stack["bootstrap_servers"], "acks": "all"})
    for number in range(300):
        producer.produce(topic.topic, str(number), headers={"sf-id": str(number)})
    assert producer.flush(20) == 0
    consumer = confluent_kafka.Consumer({"bootstrap.servers": stack["bootstrap_servers"], "group.id": prefix,
                                         "auto.offset.reset": "earliest",
                                         "partition.assignment.strategy": "cooperative-sticky"})
    consumer.subscribe([topic.topic])
    got = []
    while len(got) < 300:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message and message.error()
        got.append(int(message.value()))
    consumer.close()
    assert sorted(got) == list(range(300))


def test_redis_refuses_to_forget(stack, prefix):
    store = redis.Redis(stack["redis_host"], stack["redis_port"])
    assert store.set(prefix, "x", nx=True, px=60000)
    assert store.set(prefix, "y", nx=True, px=60000) is None
    assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert store.config_get("appendonly") == {"appendonly": "yes"}


def test_up_reuses_what_runs(stack):
    said = subprocess.run([ROOT / "deploy/local/up", "--dir", stack["dir"]], check=True, stderr=subprocess.PIPE).stderr
    assert b"redis     is running already" in said and b"node 1 is running already" in said
