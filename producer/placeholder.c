// SPDX-License-Identifier: Apache-2.0
// Replaced by the first real file of this folder.
typedef int placeholder;
