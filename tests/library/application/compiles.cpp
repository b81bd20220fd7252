// SPDX-License-Identifier: Apache-2.0
// sendfleet.h is fit for C++.
#include <sendfleet.h>

int main()
{
    sendfleet_callback callback = [](void *, const sendfleet_result *) {};
    char error[64];
    sendfleet *sf = sendfleet_open("/nowhere.json", error, sizeof error);
    sendfleet_close(sf, 0);
    return sf == nullptr && callback != nullptr ? 0 : 1;
}
