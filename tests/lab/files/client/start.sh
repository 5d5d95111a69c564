#!/bin/sh
# SPDX-FileCopyrightText: l2ops.metallb contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
mkdir -p /run/sshd
[ -f /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
exec /usr/bin/catatonit -- /usr/sbin/sshd -D -e
