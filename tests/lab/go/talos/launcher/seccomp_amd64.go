// SPDX-FileCopyrightText: l2ops.metallb contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

const seccomp = 317
