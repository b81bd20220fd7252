// SPDX-License-Identifier: Apache-2.0
// options: see options.h.
#include "common/options.h"

#include <string.h>

enum { NAME_MAX_LEN = 64 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

// Edits (insert, delete, replace, swap neighbours) that turn a into b; names longer than NAME_MAX_LEN are far.
static int distance(const char *a, const char *b)
{
    size_t alen = strlen(a), blen = strlen(b);
    if (alen > NAME_MAX_LEN || blen > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    int rows[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];
    for (size_t i = 0; i <= alen; i++)
        rows[i][0] = (int)i;
    for (size_t j = 0; j <= blen; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= alen; i++) {
        for (size_t j = 1; j <= blen; j++) {
            int edits = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            edits = least(edits, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                edits = least(edits, rows[i - 2][j - 2] + 1);
            rows[i][j] = edits;
        }
    }
    return rows[alen][blen];
}

const char *nearest_name(const char *wanted, const char *const *names)
{
    int near = (int)strlen(wanted) / 3; // beyond a third of its letters it is another word
    const char *nearest = NULL;
    near = near < 1 ? 1 : near > 4 ? 4 : near;
    for (; *names != NULL; names++) {
        int edits = distance(wanted, *names);
        if (edits <= near) {
            nearest = *names;
            near = edits - 1;
        }
    }
    return nearest;
}
