// SPDX-License-Identifier: Apache-2.0
// http_guard: a URL that comes with a job must not reach into our own networks (metadata services, databases,
// the pod next door). The check is made on the socket address at the moment of connecting, so neither a name
// that changes its mind nor an unusual spelling of an address gets around it. IPv6 forms that carry an IPv4
// address are judged by that address.
//
// The table follows IANA's special-purpose registries (RFC 6890 and its updates): not globally reachable =
// refused.
#include "worker/transport/http.h"

#include <arpa/inet.h>

struct range4 {
    uint32_t net;
    int bits;
    const char *kind;
};

struct range6 {
    uint8_t net[16];
    int bits;
    int embedded; // offset of an IPv4 address to be judged instead; 0 = refused as such
    const char *kind;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct range4 RANGES4[] = {
    { IP4(0, 0, 0, 0), 8, "this network" },          { IP4(10, 0, 0, 0), 8, "private" },
    { IP4(100, 64, 0, 0), 10, "carrier-grade NAT" }, { IP4(127, 0, 0, 0), 8, "loopback" },
    { IP4(169, 254, 0, 0), 16, "link-local" },       { IP4(172, 16, 0, 0), 12, "private" },
    { IP4(192, 0, 0, 0), 24, "reserved" },           { IP4(192, 0, 2, 0), 24, "documentation" },
    { IP4(192, 168, 0, 0), 16, "private" },          { IP4(198, 18, 0, 0), 15, "benchmarking" },
    { IP4(198, 51, 100, 0), 24, "documentation" },   { IP4(203, 0, 113, 0), 24, "documentation" },
    { IP4(224, 0, 0, 0), 4, "multicast" },           { IP4(240, 0, 0, 0), 4, "reserved" },
};

static const struct range6 RANGES6[] = {
    { { [15] = 1 }, 128, 0, "loopback" },
    { { [10] = 0xff, [11] = 0xff }, 96, 12, NULL },      // ::ffff:a.b.c.d
    { { 0 }, 96, 0, "unspecified" },                     // ::, and the old ::a.b.c.d
    { { 0, 0x64, 0xff, 0x9b, [15] = 0 }, 96, 12, NULL }, // NAT64, RFC 6052
    { { 0, 0x64, 0xff, 0x9b, 0, 1, [15] = 0 }, 48, 0, "local NAT64" },
    { { 0x01, [15] = 0 }, 64, 0, "discard" },
    { { 0x20, 0x01, [15] = 0 }, 32, 0, "Teredo" },
    { { 0x20, 0x01, 0x0d, 0xb8, [15] = 0 }, 32, 0, "documentation" },
    { { 0x20, 0x02, [15] = 0 }, 16, 2, NULL }, // 6to4
    { { 0xfc, [15] = 0 }, 7, 0, "unique local" },
    { { 0xfe, 0x80, [15] = 0 }, 10, 0, "link-local" },
    { { 0xfe, 0xc0, [15] = 0 }, 10, 0, "site-local" },
    { { 0xff, [15] = 0 }, 8, 0, "multicast" },
};

static const char *guard4(uint32_t address)
{
    for (size_t i = 0; i < sizeof RANGES4 / sizeof *RANGES4; i++) {
        if ((address ^ RANGES4[i].net) >> (32 - RANGES4[i].bits) == 0)
            return RANGES4[i].kind;
    }
    return NULL;
}

static bool begins_with(const uint8_t *address, const uint8_t *net, int bits)
{
    size_t whole = (size_t)bits / 8;
    if (memcmp(address, net, whole) != 0)
        return false;
    return bits % 8 == 0 || (address[whole] ^ net[whole]) >> (8 - bits % 8) == 0;
}

static const char *guard6(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof RANGES6 / sizeof *RANGES6; i++) {
        const struct range6 *r = &RANGES6[i];
        if (!begins_with(address, r->net, r->bits))
            continue;
        if (r->embedded == 0)
            return r->kind;
        const uint8_t *v4 = address + r->embedded;
        return guard4(IP4(v4[0], v4[1], v4[2], v4[3]));
    }
    return NULL;
}

const char *http_guard(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return guard4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return guard6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return "not an internet address";
}
