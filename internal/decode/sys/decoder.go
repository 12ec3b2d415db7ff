// Package sys decodes the record of a system call to an event.Call: it formats the arguments
// from registers and captured memory.
//
// It reads the memory of the process by address, as a tracer does, from the chunks of the
// record. Memory that was not captured is shown as its address. The table of package
// syscalls has the kind of each argument; the decoders of the kinds are here. The output
// follows strace 6.1, but also decodes values that strace prints as bytes. Key material in
// a record is never shown.
//
// Records are hostile input. The iterations of each loop are bounded by a small multiple of
// the bytes present, and no allocation depends on a length field.
package sys

import (
	"unsafe"

	"github.com/pidwire/pidwire/internal/decode/sock"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Decoder decodes the records of one source. It is not safe for concurrent use. The calls that
// it returns are valid until its arena is reset.
type Decoder struct {
	strlen uint64 // payload bytes captured per buffer
	names  map[ifaceKey]string

	arena *event.Arena  // memory of the results
	toks  []event.Token // from arena: the tapes of this call and earlier ones

	// The current call.
	s      *wire.Syscall
	mem    memory
	a      [6]uint64 // arguments, truncated to the register width of the ABI
	word   uint64    // size of long and of pointers
	long64 bool      // time_t has 64 bits in structs that are not of a _time64 call
	ret    int64
	failed bool
	done   bool // the call has returned
	c      *event.Call
	tape   int           // start of the current tape in toks
	budget int           // tokens left for the call
	pieces []event.Piece // of the payload; reused
	msg    int           // number of the current message of sendmmsg or recvmmsg
	heads  uint64        // bytes in the buffers of the call so far, for messages with keys
	depth  int           // nesting depth of netlink messages
	warn   []string
}

type ifaceKey struct {
	netns uint64
	id    uint32
}

const (
	// maxTokens bounds the tokens of one call.
	maxTokens = 1 << 14
)

// New returns a decoder for the records that follow h.
func New(h wire.Header) *Decoder {
	d := &Decoder{strlen: uint64(h.StrLen), names: make(map[ifaceKey]string), arena: new(event.Arena)}
	if d.strlen == 0 {
		d.strlen = 32
	}
	return d
}

// Use makes the decoder allocate from a.
func (d *Decoder) Use(a *event.Arena) {
	d.arena, d.toks, d.tape = a, nil, 0
}

// Learn stores the name in a wire.KindName record. It ignores all names but those of
// interfaces (what is enum pw_name_what). id is the interface index in the network
// namespace with inode netns.
func (d *Decoder) Learn(what uint16, netns uint64, id uint32, name string) {
	const most = 1 << 14 // 6 MiB with names of 255 bytes
	if what == wire.NameIface && len(d.names) < most {
		d.names[ifaceKey{netns, id}] = name
	}
}

// Syscall decodes the parts of a record that wire.SyscallParts returned. It never fails; the
// strings are warnings. The call aliases socks and chunks, which must not change while it is
// in use.
func (d *Decoder) Syscall(s *wire.Syscall, socks, chunks []byte) (*event.Call, []string) {
	d.mem.reset(chunks)
	return d.syscall(s, socks)
}

// syscall decodes a call whose captured memory is in d.mem.
func (d *Decoder) syscall(s *wire.Syscall, socks []byte) (*event.Call, []string) {
	d.s = s
	d.warn = nil
	d.budget = maxTokens
	d.depth = 0
	d.heads = 0
	d.pieces, d.msg = d.pieces[:0], 0
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
			// This use of the call does not have the argument (fcntl).
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
		d.takePayload()
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

// unknown decodes a call that is not in the table: the number and six arguments.
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

// restarts reports whether n is an internal error number (ERESTARTSYS and the like): the
// kernel restarts the call, or returns EINTR to the process.
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

// text returns b as a string without a copy: records do not change while in use.
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

// sockOf returns the socket of fd in the record, nil if there is none.
func (d *Decoder) sockOf(fd uint64) *event.Sock {
	for i := range d.c.Socks {
		if d.c.Socks[i].FD == int32(fd) {
			return &d.c.Socks[i]
		}
	}
	return nil
}

// iface returns the name of an interface in the network namespace of the first socket of the
// call, "" if it is unknown.
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

// Iface returns the name of an interface in a network namespace, "" if it is unknown.
func (d *Decoder) Iface(netns uint64, index uint32) string { return d.names[ifaceKey{netns, index}] }
