# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=FILE -DOUT=FILE.c -P embed.cmake: the rule file as a C array.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "// Generated from default.rules: edit that.
#include \"worker/classify_builtin.h\"

static const char TEXT[] = {
${bytes}
};

struct slice classify_builtin(void)
{
    return (struct slice){ TEXT, sizeof TEXT };
}
")
