package sys

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

var (
	uringParams   = kind{(*Decoder).uringParams, true}
	uringEnterArg = kind{show: (*Decoder).uringEnterArg}
)

// uringEnterArg decodes a signal set. With IORING_ENTER_EXT_ARG it prints the address of the
// struct instead.
func (d *Decoder) uringEnterArg(i int) {
	const extArg = 8
	if d.a[3]&extArg != 0 {
		d.ptr("", d.a[i])
		return
	}
	d.sigset("", d.a[i], d.a[i+1])
}

// uringParams decodes struct io_uring_params (linux/io_uring.h).
func (d *Decoder) uringParams(i int) {
	const size, sqOff, cqOff = 120, 40, 80
	b := d.outAll(d.a[i], size)
	if b == nil {
		b = d.inAll(d.a[i], size)
	}
	if b == nil {
		d.ptr("", d.a[i])
		return
	}
	d.open(event.TStruct, "")
	d.flags("flags", u32(b, 8), uringSetupFlags)
	d.hex("sq_thread_cpu", u32(b, 12))
	d.uint("sq_thread_idle", u32(b, 16))
	const attachWQ = 32
	if u32(b, 8)&attachWQ != 0 {
		d.fd("wq_fd", u32(b, 24))
	}
	if d.failed {
		d.end()
		return
	}
	d.uint("sq_entries", u32(b, 0))
	d.uint("cq_entries", u32(b, 4))
	d.flags("features", u32(b, 20), uringFeatures)
	d.open(event.TStruct, "sq_off")
	for j, f := range [...]string{"head", "tail", "ring_mask", "ring_entries", "flags", "dropped", "array"} {
		d.uint(f, u32(b, sqOff+4*j))
	}
	if p := u64(b, sqOff+32); p != 0 {
		d.hex("user_addr", p)
	}
	d.end()
	d.open(event.TStruct, "cq_off")
	for j, f := range [...]string{"head", "tail", "ring_mask", "ring_entries", "overflow", "cqes", "flags"} {
		d.uint(f, u32(b, cqOff+4*j))
	}
	if p := u64(b, cqOff+32); p != 0 {
		d.hex("user_addr", p)
	}
	d.end()
	d.end()
}

// Uring decodes an io_uring request as a call. Its name is the opcode in lower case, Via is
// "io_uring", and the arguments are the fd, or the slot of a registered file, and user_data.
func (d *Decoder) Uring(u *wire.Uring, socks []byte) (*event.Call, []string) {
	c := d.arena.Call()
	d.c = c
	d.budget = maxTokens
	c.Via = "io_uring"
	c.Name = "io_uring_op"
	if int(u.Opcode) < len(uringOps) {
		c.Name, c.Role = uringOps[u.Opcode], uringRoles[u.Opcode]
	}
	c.NR = uint32(u.Opcode)
	c.ABI = event.X86_64
	c.Ret = u.Res
	c.Dur = int64(u.H.Time - u.Enter)
	c.Socks = d.newSocks(int(u.Nsock), socks)
	c.Args = d.arena.Args(2)

	d.begin()
	name := "fd"
	fixed := u.Flags&wire.UringFixedFile != 0
	if fixed {
		name = "slot"
	}
	if fixed && u.Fd >= 0 {
		d.uint("", uint64(uint32(u.Fd)))
	} else {
		d.fd("", uint64(uint32(u.Fd))) // before Linux 5.19 fd and slot are unknown
	}
	if fixed {
		d.note("fixed file")
	}
	c.Args[0] = event.Arg{Name: name, Raw: uint64(uint32(u.Fd)), Val: d.finish()}
	d.begin()
	d.hex("", u.UserData)
	c.Args[1] = event.Arg{Name: "user_data", Raw: u.UserData, Val: d.finish()}

	switch {
	case u.Flags&wire.UringWaiting != 0:
		c.State = event.Waiting
		return c, nil
	case u.Flags&wire.UringSkipped != 0:
		c.State = event.Unfinished
		return c, nil
	case u.Res < 0 && u.Res >= -maxErrno:
		d.fail(uint64(-u.Res))
		return c, nil
	}
	const more, notification = 2, 8
	switch {
	case u.CqeFlags&notification != 0:
		d.begin()
		d.text("", "IORING_CQE_F_NOTIF")
		c.Aux = d.finish()
		return c, nil // the result is about the buffer, not the data
	case u.Flags&wire.UringFixedResult != 0:
		d.begin()
		d.text("", "direct")
		c.Aux = d.finish()
		return c, nil
	}
	switch u.Opcode {
	case opReadv, opRead, opRecvmsg, opRecv, opReadFixed, opRecvZC, opReadMultishot:
		c.Bytes, c.In = u.Res, true
	case opWritev, opWrite, opSendmsg, opSend, opWriteFixed, opSendZC, opSendmsgZC:
		c.Bytes = u.Res
	case opAccept, opSocket:
		d.begin()
		d.fd("", uint64(u.Res))
		c.Out = d.finish()
	}
	d.begin()
	if u.CqeFlags&more != 0 {
		d.text("", "IORING_CQE_F_MORE")
	}
	c.Aux = d.finish()
	return c, nil
}

// Opcodes that transfer data or return an fd (linux/io_uring.h).
const (
	opReadv, opWritev, opReadFixed, opWriteFixed = 1, 2, 4, 5
	opSendmsg, opRecvmsg, opAccept               = 9, 10, 13
	opRead, opWrite, opSend, opRecv              = 22, 23, 26, 27
	opSocket, opSendZC, opSendmsgZC              = 45, 47, 48
	opReadMultishot, opRecvZC                    = 49, 58
)

var uringOps = [...]string{
	"nop", "readv", "writev", "fsync", "read_fixed", "write_fixed", "poll_add", "poll_remove", "sync_file_range", "sendmsg", "recvmsg", "timeout",
	"timeout_remove", "accept", "async_cancel", "link_timeout", "connect", "fallocate", "openat", "close", "files_update", "statx", "read", "write",
	"fadvise", "madvise", "send", "recv", "openat2", "epoll_ctl", "splice", "provide_buffers", "remove_buffers", "tee", "shutdown", "renameat",
	"unlinkat", "mkdirat", "symlinkat", "linkat", "msg_ring", "fsetxattr", "setxattr", "fgetxattr", "getxattr", "socket", "uring_cmd", "send_zc",
	"sendmsg_zc", "read_multishot", "waitid", "futex_wait", "futex_wake", "futex_waitv", "fixed_fd_install", "ftruncate", "bind", "listen", "recv_zc",
	"epoll_wait", "readv_fixed", "writev_fixed", "pipe",
}

// uringRoles has the roles of the calls with the names of the opcodes.
var uringRoles = func() (roles [len(uringOps)]event.Role) {
	for op, name := range uringOps {
		roles[op] = syscalls.RoleOf(name)
	}
	return roles
}()
