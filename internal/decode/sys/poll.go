package sys

import "github.com/pidwire/pidwire/internal/event"

var (
	pollIn       = kind{show: (*Decoder).pollIn}
	fdSet        = kind{show: (*Decoder).fdSetIn}
	timevalIn    = kind{show: func(d *Decoder, i int) { d.timeAt("", d.a[i], d.long64, "tv_usec") }}
	timespecIn   = kind{show: func(d *Decoder, i int) { d.timeAt("", d.a[i], d.long64, "tv_nsec") }}
	timespec64In = kind{show: func(d *Decoder, i int) { d.timeAt("", d.a[i], true, "tv_nsec") }}
	sigmask      = kind{show: func(d *Decoder, i int) { d.sigset("", d.a[i], d.a[i+1]) }}
	sigmaskPair  = kind{show: (*Decoder).sigmaskPair}
	epollEvent   = kind{show: (*Decoder).epollEvent}
	epollEvents  = kind{(*Decoder).epollEvents, true}
)

// timeSize returns the size of a timeval or timespec with 64-bit (wide) or 32-bit fields.
func timeSize(wide bool) uint64 {
	if wide {
		return 16
	}
	return 8
}

// timeAt decodes a timeval or timespec that the call reads.
func (d *Decoder) timeAt(f string, addr uint64, wide bool, frac string) {
	b := d.inAll(addr, timeSize(wide))
	if b == nil {
		d.ptr(f, addr)
		return
	}
	d.timeOf(f, b, wide, frac)
}

func (d *Decoder) timeOf(f string, b []byte, wide bool, frac string) {
	d.open(event.TStruct, f)
	if wide {
		d.int("tv_sec", s64(b, 0))
		d.int(frac, s64(b, 8))
	} else {
		d.int("tv_sec", s32(b, 0))
		d.int(frac, s32(b, 4))
	}
	d.end()
}

// sigset decodes the signal set in size bytes at addr: [INT TERM], or ~[KILL] if most
// signals are in it.
func (d *Decoder) sigset(f string, addr, size uint64) {
	if addr == 0 || size < d.word || size > 128 {
		d.ptr(f, addr)
		return
	}
	n := min(size, 8)
	b := d.inAll(addr, n)
	if b == nil {
		d.ptr(f, addr)
		return
	}
	var set uint64
	for j := range b {
		set |= uint64(b[j]) << (8 * j)
	}
	bits := 8 * int(n)
	held := 0
	for j := 0; j < bits; j++ {
		held += int(set >> j & 1)
	}
	t := d.open(event.TSet, f)
	if held >= bits*2/3 {
		t.Flags |= event.FNot
		set = ^set
	}
	for j := 0; j < bits; j++ {
		if set>>j&1 != 0 {
			d.text("", signalName(j+1))
		}
	}
	d.end()
}

// sigmaskPair decodes the sixth argument of pselect6: a struct of a pointer to a signal set and
// its size, for a call has no seventh argument.
func (d *Decoder) sigmaskPair(i int) {
	b := d.inAll(d.a[i], 2*d.word)
	if b == nil {
		d.ptr("", d.a[i])
		return
	}
	d.open(event.TStruct, "")
	size := d.long(b, int(d.word))
	d.sigset("sigmask", d.long(b, 0), size)
	d.uint("sigsetsize", size)
	d.end()
}

// struct pollfd: fd, events, revents.
const pollfd = 8

func (d *Decoder) pollIn(i int) {
	addr, n := d.a[i], uint64(uint32(d.a[i+1]))
	if addr == 0 {
		d.ptr("", 0)
		return
	}
	if n == 0 {
		d.open(event.TArray, "")
		d.end()
		return
	}
	if d.inAll(addr, pollfd) == nil {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		b := d.inAll(addr+j*pollfd, pollfd)
		if b == nil || d.spent() {
			d.tail(addr + j*pollfd)
			break
		}
		d.open(event.TStruct, "")
		d.fd("fd", u32(b, 0))
		if int32(u32(b, 0)) >= 0 {
			d.flags("events", u16(b, 4), pollEvents)
		}
		d.end()
	}
	d.end()
}

// tail ends an array whose rest was not captured.
func (d *Decoder) tail(addr uint64) {
	if d.mem.faulted(addr) {
		d.fault(addr)
	} else {
		d.more()
		d.cut()
	}
}

func retPoll(d *Decoder)    { d.retPoll(false, false) }
func retPpoll(d *Decoder)   { d.retPoll(true, d.long64) }
func retPpoll64(d *Decoder) { d.retPoll(true, true) }

func (d *Decoder) retPoll(timed, wide bool) {
	d.begin()
	if d.ret == 0 {
		d.text("", "Timeout")
	} else {
		d.pollOut()
		const tmo = 2
		if timed && d.a[tmo] != 0 {
			if b := d.outAll(d.a[tmo], timeSize(wide)); b != nil {
				d.timeOf("left", b, wide, "tv_nsec")
			}
		}
	}
	d.c.Aux = d.finish()
}

func (d *Decoder) pollOut() {
	addr, n := d.a[0], uint64(uint32(d.a[1]))
	if addr == 0 || d.outAll(addr, pollfd) == nil {
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		b := d.outAll(addr+j*pollfd, pollfd)
		if b == nil || d.spent() {
			d.tail(addr + j*pollfd)
			break
		}
		if r := u16(b, 6); r != 0 {
			d.open(event.TStruct, "")
			d.fd("fd", u32(b, 0))
			d.flags("revents", r, pollEvents)
			d.end()
		}
	}
	d.end()
}

// maxFDs bounds an fd_set, in fds. Captures are much smaller.
const maxFDs = 1 << 20

func (d *Decoder) setBytes() uint64 {
	n := int64(int32(d.a[0]))
	n = max(0, min(n, maxFDs))
	return uint64(n)
}

func (d *Decoder) fdSetIn(i int) {
	n := d.setBytes()
	size := (n + 7) / 8
	if d.a[i] == 0 {
		d.ptr("", 0)
		return
	}
	b := d.in(d.a[i], size)
	if len(b) == 0 {
		d.ptr("", d.a[i])
		return
	}
	d.set("", b, n)
	if uint64(len(b)) < size {
		d.cut()
	}
}

// set prints an fd_set: [3 5].
func (d *Decoder) set(f string, b []byte, n uint64) {
	d.open(event.TSet, f)
	for j := uint64(0); j < n && j/8 < uint64(len(b)) && !d.spent(); j++ {
		if b[j/8]>>(j%8)&1 != 0 {
			d.fd("", j)
		}
	}
	d.end()
}

func retSelect(d *Decoder)    { d.retSelect(d.long64, "tv_usec") }
func retPselect(d *Decoder)   { d.retSelect(d.long64, "tv_nsec") }
func retPselect64(d *Decoder) { d.retSelect(true, "tv_nsec") }

func (d *Decoder) retSelect(wide bool, frac string) {
	d.begin()
	if d.ret == 0 {
		d.text("", "Timeout")
		d.c.Aux = d.finish()
		return
	}
	n := d.setBytes()
	for i, f := range [...]string{"in", "out", "except"} {
		if b := d.out(d.a[1+i], (n+7)/8); b != nil && anyBit(b, n) {
			d.set(f, b, n)
		}
	}
	const timeout = 4
	if b := d.outAll(d.a[timeout], timeSize(wide)); b != nil {
		d.timeOf("left", b, wide, frac)
	}
	d.c.Aux = d.finish()
}

func anyBit(b []byte, n uint64) bool {
	for j := uint64(0); j < n && j/8 < uint64(len(b)); j++ {
		if b[j/8]>>(j%8)&1 != 0 {
			return true
		}
	}
	return false
}

// epollLayout returns the size of struct epoll_event and the offset of its data. The struct is
// packed only on x86 (linux/eventpoll.h).
func (d *Decoder) epollLayout() (size, data int) {
	switch event.ABI(d.s.Abi) {
	case event.X86_64, event.X32, event.I386:
		return 12, 4
	}
	return 16, 8
}

func (d *Decoder) epollEvent(i int) {
	const ctlDel = 2
	size, data := d.epollLayout()
	b := d.inAll(d.a[i], uint64(size))
	if b == nil || uint32(d.a[1]) == ctlDel {
		d.ptr("", d.a[i])
		return
	}
	d.epoll(b, data)
}

func (d *Decoder) epoll(b []byte, data int) {
	d.open(event.TStruct, "")
	d.flags("events", u32(b, 0), epollEventBits)
	d.open(event.TStruct, "data")
	d.uint("u32", u32(b, data))
	d.uint("u64", u64(b, data))
	d.end()
	d.end()
}

func (d *Decoder) epollEvents(i int) {
	if d.failed {
		d.ptr("", d.a[i])
		return
	}
	size, data := d.epollLayout()
	addr, n := d.a[i], uint64(d.ret)
	if addr == 0 {
		d.ptr("", 0)
		return
	}
	if n > 0 && d.outAll(addr, uint64(size)) == nil {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := uint64(0); j < n; j++ {
		at := addr + j*uint64(size)
		b := d.outAll(at, uint64(size))
		if b == nil || d.spent() {
			d.tail(at)
			break
		}
		d.epoll(b, data)
	}
	d.end()
}
