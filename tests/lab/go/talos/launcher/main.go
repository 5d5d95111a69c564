// SPDX-FileCopyrightText: l2ops.metallb contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// First process of a Talos node in the lab: lets Talos write oom_score_adj where root may not.
//
// Talos writes -999 for its services. Lowering takes the capability SYS_RESOURCE, which root lacks on some machines, and Talos takes the
// refusal for fatal. So a seccomp filter asks the supervisor (a second copy of this program) about every openat for writing; for files of
// that name it answers with a descriptor of /dev/null, for all others with "go on". Where root has the capability nothing is done.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

const (
	sysResource = 24 // CAP_SYS_RESOURCE, linux/capability.h

	// linux/seccomp.h
	setModeFilter     = 1
	flagNewListener   = 8
	retUserNotif      = 0x7fc00000
	retAllow          = 0x7fff0000
	notifContinue     = 1
	addfdSend         = 2
	ioctlNotifReceive = 0xc0502100
	ioctlNotifSend    = 0xc0182101
	ioctlNotifAddfd   = 0x40182103

	// offsets in struct seccomp_data
	offsetNumber = 0
	offsetFlags  = 16 + 2*8
)

// What linux/seccomp.h names seccomp_notif, seccomp_notif_resp and seccomp_notif_addfd.
type (
	notification struct {
		id     uint64
		pid    uint32
		flags  uint32
		number int32
		arch   uint32
		ip     uint64
		args   [6]uint64
	}
	response struct {
		id    uint64
		value int64
		err   int32
		flags uint32
	}
	descriptor struct {
		id       uint64
		flags    uint32
		source   uint32
		target   uint32
		newFlags uint32
	}
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "supervise" {
		supervise()
		return
	}
	if !mayLower() {
		install()
	}
	fail("exec /sbin/init", syscall.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ()))
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "launcher: %s: %v\n", what, err)
	os.Exit(1)
}

// mayLower says whether root has SYS_RESOURCE here.
func mayLower() bool {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if bits, found := strings.CutPrefix(lines.Text(), "CapEff:"); found {
			all, _ := strconv.ParseUint(strings.TrimSpace(bits), 16, 64)
			return all&(1<<sysResource) != 0
		}
	}
	return false
}

// install starts the supervisor, then puts the filter on this thread and hands its listener over.
func install() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		fail("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "supervisor")
	// Before the filter, so that the supervisor is not asked about itself.
	_, err = os.StartProcess("/proc/self/exe", []string{"launcher", "supervise"}, &os.ProcAttr{
		Files: []*os.File{nil, os.Stdout, os.Stderr, theirs},
	})
	if err != nil {
		fail("starting the supervisor", err)
	}
	runtime.LockOSThread()
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: offsetNumber},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syscall.SYS_OPENAT, Jf: 3},
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: offsetFlags},
		{Code: syscall.BPF_JMP | syscall.BPF_JSET | syscall.BPF_K, K: syscall.O_WRONLY | syscall.O_RDWR, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: retUserNotif},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: retAllow},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	listener, _, errno := syscall.RawSyscall(seccomp, setModeFilter, flagNewListener, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		fail("seccomp", errno)
	}
	if err := syscall.Sendmsg(pair[0], []byte{0}, syscall.UnixRights(int(listener)), nil, 0); err != nil {
		fail("handing over the listener", err)
	}
	syscall.CloseOnExec(int(listener))
	syscall.CloseOnExec(pair[0])
	syscall.CloseOnExec(pair[1])
}

func supervise() {
	control := make([]byte, syscall.CmsgSpace(4))
	_, size, _, _, err := syscall.Recvmsg(3, make([]byte, 1), control, 0)
	if err != nil {
		fail("receiving the listener", err)
	}
	messages, err := syscall.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) == 0 {
		fail("no listener came", err)
	}
	rights, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		fail("no listener came", err)
	}
	null, err := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	if err != nil {
		fail("/dev/null", err)
	}
	for range 3 {
		go serve(uintptr(rights[0]), uint32(null))
	}
	serve(uintptr(rights[0]), uint32(null))
}

func serve(listener uintptr, null uint32) {
	for {
		var asked notification
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, listener, ioctlNotifReceive, uintptr(unsafe.Pointer(&asked)))
		switch {
		case errno == syscall.EINTR || errno == syscall.ENOENT: // the caller is gone
			continue
		case errno != 0:
			fail("receiving", errno)
		}
		if path.Base(nameOf(asked)) == "oom_score_adj" {
			given := descriptor{id: asked.id, flags: addfdSend, source: null, newFlags: syscall.O_CLOEXEC}
			_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, listener, ioctlNotifAddfd, uintptr(unsafe.Pointer(&given)))
			if errno == 0 || errno == syscall.ENOENT {
				continue
			}
		}
		goOn := response{id: asked.id, flags: notifContinue}
		syscall.Syscall(syscall.SYS_IOCTL, listener, ioctlNotifSend, uintptr(unsafe.Pointer(&goOn)))
	}
}

// nameOf reads the path that the caller gave to openat; "" where it cannot be read.
func nameOf(asked notification) string {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", asked.pid))
	if err != nil {
		return ""
	}
	defer memory.Close()
	// A page at a time would end at the first byte that is not mapped; no name that matters is longer than this.
	for _, size := range []int{256, 64, 32} {
		text := make([]byte, size)
		got, err := memory.ReadAt(text, int64(asked.args[1]))
		if end := bytes.IndexByte(text[:got], 0); end >= 0 {
			return string(text[:end])
		}
		if err == nil {
			return ""
		}
	}
	return ""
}
