// SPDX-License-Identifier: Apache-2.0
// broker_record: from librdkafka's messages to our records.
//
// A message points into the buffer of the whole fetch it came with and keeps all of it alive (104 held messages of
// 1 kB were 52 MB), so everything is copied at once, in one block, and the message is given back. The topic's name
// is not copied a hundred thousand times: records borrow the one the consumer or reader keeps.
#include "common/broker_internal.h"

#include "common/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { HEADERS_ON_STACK = 64 };

static size_t count_headers(const rd_kafka_headers_t *headers)
{
    return headers != NULL ? rd_kafka_header_cnt(headers) : 0;
}

static void read_headers(const rd_kafka_headers_t *headers, struct header *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t len = 0;
        rd_kafka_header_get_all(headers, i, &name, &value, &len);
        out[i] = (struct header){ .name = slice_of(name), .value = { value, len } };
    }
}

struct record *broker_record_copy(const rd_kafka_message_t *m, const char *topic)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    size_t count = count_headers(headers);
    struct header near[HEADERS_ON_STACK];
    struct header *list = count <= HEADERS_ON_STACK ? near : xmalloc(count * sizeof *list);
    read_headers(headers, list, count);

    rd_kafka_timestamp_type_t type;
    const struct record shape = {
        .topic = topic,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = rd_kafka_message_timestamp(m, &type),
        .has_key = m->key != NULL,
        .has_value = m->payload != NULL,
        .key = { m->key, m->key != NULL ? m->key_len : 0 },
        .value = { m->payload, m->payload != NULL ? m->len : 0 },
    };
    struct record *r = record_new(&shape, list, count);
    if (list != near)
        free(list);
    return r;
}

const char *broker_names_intern(struct broker_names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->list[i], name) == 0)
            return n->list[i];
    n->list = xrealloc(n->list, (n->count + 1) * sizeof *n->list);
    n->list[n->count] = xstrdup(name);
    return n->list[n->count++];
}

void broker_names_clear(struct broker_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
    *n = (struct broker_names){ 0 };
}
