// Package sys turns the record of a system call into an event.Call: registers
// and memory into values with names.
//
// It reads the memory of the process by address, as a tracer does, from the
// pieces that the record carries; what is not there is shown as its address.
// Which argument is of which kind stands in the table of package syscalls; how a
// kind is shown is here. The notation that the tapes are made for is that of strace
// 6.1; where strace shows bytes and the value can be known, the value is
// shown. What key material a record holds is never shown.
//
// Every byte of a record is hostile. No loop runs longer than a small bound
// times the bytes that are really there, and nothing is allocated by a length
// that the record only claims.
package sys

import (
	"unsafe"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Decoder decodes the records of one source. It is not safe for concurrent
// use. The calls that it returns are good until the arena that it uses is
// reset.
type Decoder struct {
	strlen uint64 // payload bytes captured a buffer
	names  map[ifaceKey]string

	arena *event.Arena  // what results are cut from
	toks  []event.Token // of it: the tapes of this call and of those before

	// The call at hand.
	s      *wire.Syscall
	mem    memory
	a      [6]uint64 // registers, cut to the width of the ABI's
	word   uint64    // bytes of a long and of a pointer
	long64 bool      // time_t in plain structs has 64 bits
	ret    int64
	failed bool
	done   bool // the call has returned
	c      *event.Call
	tape   int    // where the tape at hand starts in toks
	budget int    // tokens that the call may still cost
	heads  uint64 // bytes of messages with keys that the call's buffers had so far
	depth  int    // of nesting, against hostile references
	warn   []string
}

type ifaceKey struct {
	netns uint64
	id    uint32
}

const (
	// maxTokens bounds what one call can cost, whatever its bytes say.
	maxTokens = 1 << 14
)

// New makes a decoder for the records of the source that h describes.
func New(h wire.Header) *Decoder {
	d := &Decoder{strlen: uint64(h.StrLen), names: make(map[ifaceKey]string), arena: new(event.Arena)}
	if d.strlen == 0 {
		d.strlen = 32
	}
	return d
}

// Use makes the decoder cut the calls that follow from another arena.
func (d *Decoder) Use(a *event.Arena) {
	d.arena, d.toks, d.tape = a, nil, 0
}

// Learn takes what a wire.KindName record says: what is enum pw_name_what, and
// only interface names are of use here. Id is the interface index in the
// network namespace with inode netns.
func (d *Decoder) Learn(what uint16, netns uint64, id uint32, name string) {
	const most = 1 << 14 // with names of 255 bytes 6 MiB
	if what == wire.NameIface && len(d.names) < most {
		d.names[ifaceKey{netns, id}] = name
	}
}

// Syscall decodes a record that wire.SyscallParts took apart. It never fails;
// the strings say what could not be decoded. The call aliases socks and
// chunks, which must not change as long as it is in use.
func (d *Decoder) Syscall(s *wire.Syscall, socks, chunks []byte) (*event.Call, []string) {
	d.mem.reset(chunks)
	return d.syscall(s, socks)
}

// syscall decodes a call whose memory is in d.mem.
func (d *Decoder) syscall(s *wire.Syscall, socks []byte) (*event.Call, []string) {
	d.s = s
	d.warn = nil
	d.budget = maxTokens
	d.depth = 0
	d.heads = 0
	d.done = s.Flags&(wire.CallWaiting|wire.CallUnfinished) == 0
	d.ret = s.Ret
	d.a = s.Args
	d.word, d.long64 = 8, true
	switch s.Abi {
	case wire.AbiI386, wire.AbiArm:
		d.word, d.long64 = 4, false
		for i := range d.a {
			d.a[i] = uint64(uint32(d.a[i]))
		}
	case wire.AbiX32:
		d.word = 4
	}
	d.failed = d.done && s.Ret < 0 && s.Ret >= -maxErrno

	c := d.arena.Call()
	d.c = c
	c.NR = s.Nr
	c.ABI = event.ABI(s.Abi)
	c.Ret = s.Ret
	c.Dur = int64(s.H.Time - s.Enter)
	c.Redacted = s.Flags&wire.CallRedacted != 0
	c.Cut = s.Flags&wire.CallCut != 0
	c.Refused = s.Flags&wire.CallRefused != 0
	switch {
	case s.Flags&wire.CallUnfinished != 0:
		c.State = event.Unfinished
	case s.Flags&wire.CallWaiting != 0:
		c.State = event.Waiting
	}
	c.Socks = d.newSocks(int(s.Nsock), socks)

	def := lookup(s)
	if s.Sub != 0 {
		c.Via = "socketcall"
	}
	if def == nil {
		d.unknown(c)
		return c, d.warn
	}
	c.Name, c.Role = def.Name, def.Role
	c.Args = d.arena.Args(len(def.Args))
	for i := range def.Args {
		a := &c.Args[i]
		a.Name = def.Args[i].Name
		if i < len(d.a) {
			a.Raw = d.a[i]
		}
		k, late := show(&def.Args[i])
		if late && !d.done {
			continue
		}
		d.begin()
		k.show(d, i)
		a.Val = d.finish()
		if len(a.Val) == 0 {
			// The call has this argument in other uses only (fcntl).
			c.Args = c.Args[:i:i]
			break
		}
	}
	switch {
	case d.failed:
		d.fail(uint64(-s.Ret))
	case d.done:
		if c.Role.Has(event.CountsBytes) && s.Ret > 0 {
			c.Bytes, c.In = s.Ret, c.Role.Has(event.Receives)
		}
		if say := results[def.Result]; say != nil {
			say(d)
		}
	}
	d.s = nil
	if d.spent() {
		c.Cut = true
		d.complain(c.Name + " has more values than are shown")
	}
	return c, d.warn
}

// unknown shows a call that the table does not have, as a tracer shows it.
func (d *Decoder) unknown(c *event.Call) {
	d.complain("system call " + decText(uint64(d.s.Nr)) + " of " + c.ABI.String() + " is not known")
	c.Name = "syscall_0x" + hexText(uint64(d.s.Nr))
	names := [...]string{"a0", "a1", "a2", "a3", "a4", "a5"}
	c.Args = d.arena.Args(len(names))
	for i := range c.Args {
		d.begin()
		d.hex("", d.a[i])
		c.Args[i] = event.Arg{Name: names[i], Raw: d.a[i], Val: d.finish()}
	}
	if d.failed {
		d.fail(uint64(-d.ret))
	}
}

// fail sets the result of a call that failed with error n.
func (d *Decoder) fail(n uint64) {
	name, text := Errno(int64(n))
	if name == "" {
		name, text = "ERRNO_"+decText(n), "Unknown error "+decText(n)
	}
	d.c.Errno = name
	d.begin()
	d.text("", text)
	d.c.Aux = d.finish()
	if restarts(n) {
		d.begin()
		d.text("", "?")
		d.c.Out = d.finish()
	}
}

// restarts reports that the process never sees the error: the kernel begins
// the call again, or makes it EINTR.
func restarts(n uint64) bool { return n == 512 || n == 513 || n == 514 || n == 516 }

func hexText(v uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	i := len(b)
	for {
		i--
		b[i] = digits[v&15]
		v >>= 4
		if v == 0 {
			return string(b[i:])
		}
	}
}

func (d *Decoder) newSocks(n int, b []byte) []event.Sock {
	n = min(n, len(b)/wire.SizeSock)
	if n == 0 {
		return nil
	}
	s := d.arena.Socks(n)
	for i := range s {
		var w wire.Sock
		w.Unmarshal(b[i*wire.SizeSock:])
		sock.Fill(&s[i], &w)
	}
	return s
}

// text is b as a string, without a copy: records are not written again.
func text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

func (d *Decoder) complain(s string) {
	if len(d.warn) < 4 {
		d.warn = append(d.warn, s)
	}
}

// sockOf is the socket behind fd, as the record has it.
func (d *Decoder) sockOf(fd uint64) *event.Sock {
	for i := range d.c.Socks {
		if d.c.Socks[i].FD == int32(fd) {
			return &d.c.Socks[i]
		}
	}
	return nil
}

// iface is the name of an interface in the network namespace of the call's
// socket, empty where it was not learned.
func (d *Decoder) iface(index uint64) string {
	if index == 0 {
		return ""
	}
	var netns uint64
	if len(d.c.Socks) != 0 {
		netns = uint64(d.c.Socks[0].NetNS)
	}
	return d.Iface(netns, uint32(index))
}

// Iface is the name of an interface of a network namespace, empty where it was
// not learned.
func (d *Decoder) Iface(netns uint64, index uint32) string { return d.names[ifaceKey{netns, index}] }
