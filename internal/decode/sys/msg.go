package sys

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/keys"
)

var (
	msgIn   = kind{show: (*Decoder).msgIn}
	msgOut  = kind{(*Decoder).msgOut, true}
	mmsgIn  = kind{(*Decoder).mmsgIn, true}
	mmsgOut = kind{(*Decoder).mmsgOut, true}
)

// maxIov is UIO_MAXIOV, the kernel's limit for the number of iovecs.
const maxIov = 1024

func (d *Decoder) iovIn(i int) { d.iovec("", d.a[i], d.a[i+1], ^uint64(0), d.in) }
func (d *Decoder) iovOut(i int) {
	if d.failed {
		d.iovec("", d.a[i], d.a[i+1], 0, nil)
		return
	}
	d.iovec("", d.a[i], d.a[i+1], uint64(d.ret), d.out)
}

// iovec decodes n iovecs at addr. left is the number of bytes that the call transferred; the
// memory after them is not shown. If read is nil only the addresses are.
func (d *Decoder) iovec(f string, addr, n, left uint64, read func(addr, n uint64) []byte) {
	if addr == 0 {
		d.ptr(f, 0)
		return
	}
	if n > maxIov && int64(int32(n)) < 0 {
		d.ptr(f, addr)
		return
	}
	if n == 0 {
		d.open(event.TArray, f)
		d.end()
		return
	}
	step := 2 * d.word
	if d.in(addr, step) == nil {
		d.ptr(f, addr)
		return
	}
	d.open(event.TArray, f).Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		at := addr + j*step
		b := d.inAll(at, step)
		if b == nil || j == maxIov || d.spent() {
			if d.mem.faulted(at) {
				d.fault(at)
			} else {
				d.more()
			}
			break
		}
		base, size := d.long(b, 0), d.long(b, int(d.word))
		d.open(event.TStruct, "")
		shown := min(size, left)
		left -= shown
		if read == nil {
			d.ptr("iov_base", base)
		} else {
			d.payload("iov_base", base, shown, read)
		}
		d.uint("iov_len", size)
		d.end()
	}
	d.end()
}

// fault ends an array whose next element at addr is unreadable.
func (d *Decoder) fault(addr uint64) {
	d.more()
	d.note(hexNote(addr))
}

func hexNote(v uint64) string { return "0x" + hexText(v) }

// payload prints data, or decodes it if the first socket of the call is a netlink socket.
// It withholds messages that may have keys.
func (d *Decoder) payload(f string, addr, n uint64, read func(addr, n uint64) []byte) {
	if len(d.c.Socks) == 0 || addr == 0 || n == 0 {
		d.data(f, addr, n, read)
		return
	}
	family, protocol := d.c.Socks[0].Family, d.c.Socks[0].Protocol
	switch head := keys.Messages(family, protocol); head {
	case keys.NoKeys, keys.ControlKeys:
		if family != afNetlink || !d.netlinkBytes(f, addr, n, n, protocol, read) {
			d.data(f, addr, n, read)
		}
	case keys.FirstBuffer:
		if d.netlinkBytes(f, addr, n, n, protocol, read) {
			return
		}
		if b := read(addr, n); len(b) == 0 && d.done && !d.failed && !d.mem.faulted(addr) {
			d.redact(f) // the continuation of a message: what may be a key is unknown
			return
		}
		d.data(f, addr, n, read)
	default:
		d.keyMessage(f, addr, n, head, protocol, read)
	}
}

// netlinkBytes decodes n bytes as netlink messages, but reads at most most of them. It returns
// false if that is impossible.
func (d *Decoder) netlinkBytes(f string, addr, n, most uint64, protocol uint16, read func(addr, n uint64) []byte) bool {
	if n < nlHeader {
		if b := read(addr, min(n, most)); uint64(len(b)) == n {
			d.hexstr(f, b)
			return true
		}
		return false
	}
	b := read(addr, min(n, most, maxNetlink))
	if uint64(len(b)) < nlHeader {
		return false
	}
	d.netlink(f, b, n, protocol)
	return true
}

// keyMessage decodes the header of a message that may have keys. After the first buffer of a
// call it reads no more than the length of a header, over all buffers. The rest may be a key,
// and is not shown even if an older version recorded it.
func (d *Decoder) keyMessage(f string, addr, n uint64, head keys.Head, protocol uint16, read func(addr, n uint64) []byte) {
	const efault = 14
	left := n
	if d.heads > 0 || n < nlHeader {
		left = head.Len() - min(d.heads, head.Len())
	}
	d.heads += n
	switch {
	case !d.done || d.failed && d.ret == -efault || d.mem.faulted(addr):
		d.ptr(f, addr)
	case head == keys.PFKeyHead || left == 0 || !d.netlinkBytes(f, addr, n, left, protocol, read):
		d.redact(f)
	}
}

// msghdr is struct user_msghdr (include/linux/socket.h) of any ABI.
type msghdr struct {
	name, namelen, iov, iovlen, control, controllen, flags uint64
}

func (d *Decoder) msghdrSize() uint64 { return 7 * d.word }

func (d *Decoder) msghdr(b []byte) (m msghdr) {
	w := int(d.word)
	return msghdr{
		name: d.long(b, 0), namelen: u32(b, w), iov: d.long(b, 2*w), iovlen: d.long(b, 3*w),
		control: d.long(b, 4*w), controllen: d.long(b, 5*w), flags: u32(b, 6*w),
	}
}

func (d *Decoder) msgIn(i int) {
	b := d.inAll(d.a[i], d.msghdrSize())
	if b == nil {
		d.ptr("", d.a[i])
		return
	}
	m := d.msghdr(b)
	d.open(event.TStruct, "")
	d.msgSent(&m)
	d.end()
}

func (d *Decoder) msgSent(m *msghdr) {
	d.addrAt("msg_name", m.name, int64(int32(m.namelen)), d.inAll)
	d.int("msg_namelen", int64(int32(m.namelen)))
	from := len(d.pieces)
	d.iovec("msg_iov", m.iov, m.iovlen, ^uint64(0), d.in)
	d.peer(from, m.name, m.namelen, d.inAll)
	d.uint("msg_iovlen", m.iovlen)
	d.control(m.control, m.controllen, d.in)
	d.uint("msg_controllen", m.controllen)
	d.flags("msg_flags", m.flags, MsgFlags)
}

func (d *Decoder) msgOut(i int) {
	size := d.msghdrSize()
	before, after := d.before(d.a[i], size), d.outAll(d.a[i], size)
	if before == nil {
		before = after
	}
	if before == nil || d.a[i] == 0 {
		d.ptr("", d.a[i])
		return
	}
	was := d.msghdr(before)
	d.open(event.TStruct, "")
	if d.failed || after == nil {
		d.int("msg_namelen", int64(int32(was.namelen)))
	} else {
		m := d.msghdr(after)
		d.msgReceived(&was, &m, uint64(d.ret))
	}
	d.end()
}

func (d *Decoder) msgReceived(was, m *msghdr, n uint64) {
	before, after := int64(int32(was.namelen)), int64(int32(m.namelen))
	d.addrAt("msg_name", m.name, min(before, after), d.outAll)
	d.int("msg_namelen", before)
	if before != after {
		d.arrow()
		d.int("", after)
	}
	from := len(d.pieces)
	d.iovec("msg_iov", m.iov, m.iovlen, n, d.out)
	d.peer(from, m.name, min(was.namelen, m.namelen), d.outAll)
	d.uint("msg_iovlen", m.iovlen)
	d.control(m.control, m.controllen, d.out)
	d.uint("msg_controllen", m.controllen)
	d.flags("msg_flags", m.flags, MsgFlags)
}

// maxMmsg is the kernel's limit for sendmmsg and recvmmsg.
const maxMmsg = 1024

func (d *Decoder) mmsgStep() uint64 { return (d.msghdrSize() + 4 + d.word - 1) &^ (d.word - 1) }

func (d *Decoder) mmsgIn(i int)  { d.mmsg(i, true) }
func (d *Decoder) mmsgOut(i int) { d.mmsg(i, false) }

func (d *Decoder) mmsg(i int, sent bool) {
	addr, n := d.a[i], uint64(uint32(d.a[i+1]))
	if !d.failed {
		// Show messages that were not transferred only if they are input.
		if !sent {
			n = uint64(d.ret)
		}
	} else if !sent {
		d.ptr("", addr)
		return
	}
	size, step := d.msghdrSize(), d.mmsgStep()
	if addr == 0 || n != 0 && d.inAll(addr, size) == nil {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		d.msg = int(j)
		at := addr + j*step
		before, after := d.before(at, step), d.outAll(at, step)
		if after == nil {
			after = before
		}
		if before == nil {
			before = after
		}
		if after == nil || j == maxMmsg || d.spent() {
			d.tail(at)
			break
		}
		was, m := d.msghdr(before), d.msghdr(after)
		moved := u32(after, int(size))
		d.open(event.TStruct, "")
		d.open(event.TStruct, "msg_hdr")
		if sent {
			d.msgSent(&m)
		} else {
			d.msgReceived(&was, &m, moved)
		}
		d.end()
		if !sent || !d.failed && j < uint64(d.ret) {
			d.uint("msg_len", moved)
			d.c.Bytes += int64(moved)
			d.c.In = !sent
		}
		d.end()
	}
	d.end()
}

func retMmsgSent(*Decoder) {}

func retMmsgReceived(d *Decoder)   { d.retRecvmmsg(d.long64) }
func retMmsgReceived64(d *Decoder) { d.retRecvmmsg(true) }

// retRecvmmsg prints the remaining timeout that the kernel wrote back.
func (d *Decoder) retRecvmmsg(wide bool) {
	const timeout = 4
	d.begin()
	if d.ret == 0 {
		d.text("", "Timeout")
	} else if b := d.outAll(d.a[timeout], timeSize(wide)); b != nil {
		d.timeOf("left", b, wide, "tv_nsec")
	}
	d.c.Aux = d.finish()
}
