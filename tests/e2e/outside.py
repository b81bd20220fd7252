# SPDX-License-Identifier: Apache-2.0
"""Kafka as an ordinary client sees it (confluent_kafka): nothing here knows more of Sendfleet than its topics."""
import json

import confluent_kafka
import confluent_kafka.admin


class Record:
    """One record. value and key are bytes, or None; headers are text."""

    def __init__(self, message):
        self.topic, self.partition, self.offset = message.topic(), message.partition(), message.offset()
        self.key, self.value, self.at_ms = message.key(), message.value(), message.timestamp()[1]
        self.headers = {name: value.decode(errors="replace") for name, value in message.headers() or []}

    @property
    def place(self):
        """The id of a job that came without one: where it was first seen."""
        return f"{self.topic}-{self.partition}-{self.offset}"


class Topic:
    """A topic read from its beginning; records are kept, refresh() adds what has come since."""

    def __init__(self, servers, name):
        self.name, self.kept = name, []
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": servers, "group.id": "nobody", "enable.auto.commit": False,
            "fetch.wait.max.ms": 20, "reconnect.backoff.max.ms": 500, "log_level": 2})
        partitions = self.consumer.list_topics(name, 20).topics[name].partitions
        self.consumer.assign([confluent_kafka.TopicPartition(name, p, confluent_kafka.OFFSET_BEGINNING)
                              for p in sorted(partitions)])

    def refresh(self):
        while True:
            got = self.consumer.consume(5000, 0.01)
            self.kept += [Record(message) for message in got if message.error() is None]
            if not got:
                return self.kept

    def close(self):
        self.consumer.close()


def parsed(value):
    """A JSON object, {} when it is none."""
    try:
        got = json.loads(value)
    except (ValueError, TypeError):
        got = {}
    return got if isinstance(got, dict) else {}


class Events(Topic):
    """The steps of jobs. A step that was filed twice (same event id) is one step."""

    def __init__(self, servers, name):
        super().__init__(servers, name)
        self.read, self.jobs, self.ids = 0, {}, set()

    def refresh(self):
        super().refresh()
        for record in self.kept[self.read:]:
            event = parsed(record.value)
            if "job" in event and event["id"] not in self.ids:
                self.ids.add(event["id"])
                self.jobs.setdefault(event["job"], []).append(event)
        self.read = len(self.kept)
        return self.jobs

    def known(self, job):
        """Steps of one job in the order of its attempts, as far as they were read."""
        return sorted(self.jobs.get(job, []), key=lambda e: (e["gen"], e["try"], e["at"]))

    def of(self, job):
        self.refresh()
        return self.known(job)

    def one(self, job, kind):
        """The only step of that kind, None when there is none yet."""
        found = [e for e in self.of(job) if e["event"] == kind]
        assert len(found) <= 1, f"{job}: {len(found)} events {kind}: {found}"
        return found[0] if found else None


class Publisher:
    """A publisher that has never heard of us."""

    def __init__(self, servers):
        self.producer = confluent_kafka.Producer({"bootstrap.servers": servers, "acks": "all", "linger.ms": 5,
                                                  "sticky.partitioning.linger.ms": 0,  # spread over all partitions
                                                  "reconnect.backoff.max.ms": 500, "log_level": 2})

    def publish(self, topic, values, **how):
        """Bytes, or things to be written as JSON; returns the acknowledged records in the same order."""
        done = {}

        def acknowledged(index):
            def keep(error, message):
                assert error is None, error
                done[index] = Record(message)
            return keep

        for index, value in enumerate(values):
            if not isinstance(value, (bytes, type(None))):
                value = json.dumps(value, ensure_ascii=False).encode()
            self.producer.produce(topic, value, on_delivery=acknowledged(index), **how)
            self.producer.poll(0)
        assert self.producer.flush(30) == 0
        return [done[index] for index in range(len(values))]


def group_offsets(servers, group, topics):
    """{(topic, partition): (committed, end)}; committed is 0 where nothing is."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 2})
    found = {}
    for name in topics:
        for p in consumer.list_topics(name, 20).topics[name].partitions:
            where = confluent_kafka.TopicPartition(name, p)
            [committed] = consumer.committed([where], timeout=20)
            found[name, p] = (max(committed.offset, 0), consumer.get_watermark_offsets(where, timeout=20)[1])
    consumer.close()
    return found


def partitions_held(servers, group):
    """How many partitions each member of a group has; [] while it is rebalancing."""
    [found] = admin(servers).list_groups(group, 20)
    held = []
    for member in found.members if found.state == "Stable" else []:
        at, count = 6, 0  # version (2 bytes), number of topics (4); a topic: name, partitions
        for _ in range(int.from_bytes(member.assignment[2:6], "big")):
            at += 2 + int.from_bytes(member.assignment[at:at + 2], "big")
            partitions = int.from_bytes(member.assignment[at:at + 4], "big")
            at, count = at + 4 + 4 * partitions, count + partitions
        held.append(count)
    return held


def rewind(servers, group, topics):
    """Has a group without members read everything again."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(name, p, 0) for name, p in
                             group_offsets(servers, group, topics)], asynchronous=False)
    consumer.close()


# ---- administration

def admin(servers):
    return confluent_kafka.admin.AdminClient({"bootstrap.servers": servers})


def create(client, name, partitions=1, **settings):
    topic = confluent_kafka.admin.NewTopic(name, partitions, 1, config=settings)
    client.create_topics([topic])[name].result(20)


def delete(client, prefix):
    """All topics of a prefix."""
    names = [name for name in client.list_topics(timeout=20).topics if name.startswith(prefix + ".")]
    for gone in client.delete_topics(names).values() if names else []:
        gone.result(20)
