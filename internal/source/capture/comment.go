package capture

import (
	"bytes"
	"encoding/base64"

	"github.com/pidwire/pidwire/internal/wire"
)

// owner is the owner of packets according to the comment of their interface.
type owner struct {
	pid, nspid, uid uint32
	start           uint64
}

// keys holds the values in the comment of a packet that have no field in wire.Packet.
type keys struct {
	ours bool   // there was a comment in the format of sink/pcapng
	have uint32 // set of the keys that were present
	seen uint64 // ns from the evidence for the owner to the packet
	link uint16
	l2   []byte
}

// Keys whose default is not 0.
const (
	keyTID = 1 << iota
	keyNSPID
	keyNSTID
	keyUID
	keyStart
	keyOwner
	keySeen
)

func (k *keys) given(key uint32) bool { return k.have&key != 0 }

func (k *keys) reset() { *k = keys{l2: k.l2[:0]} }

// parse parses a comment in the format of sink/pcapng, which documents the keys, into k and
// p. Invalid values are read as 0. usual has defaults for the owner.
func (k *keys) parse(b []byte, usual *owner, p *wire.Packet) {
	k.reset()
	k.ours = true
	p.Owner, p.Ifindex = wire.Owner{}, 0
	o := &p.Owner
	eachKey(b, func(key, v []byte) {
		n := number(v)
		switch string(key) {
		case "pid":
			o.Pid = uint32(n)
		case "tid":
			o.Tid = uint32(n)
			k.have |= keyTID
		case "nspid":
			o.Nspid = uint32(n)
			k.have |= keyNSPID
		case "nstid":
			o.Nstid = uint32(n)
			k.have |= keyNSTID
		case "uid":
			o.Uid = uint32(n)
			k.have |= keyUID
		case "start":
			o.Start = n
			k.have |= keyStart
		case "comm":
			unescape(o.Comm[:], v)
		case "how":
			o.How = evidence(v, n)
		case "made":
			p.Made = made(v, n)
		case "flags":
			p.Flags = flags(v, n)
		case "seen":
			k.seen = n
			if len(v) > 0 && v[0] == '-' {
				k.seen = -number(v[1:])
			}
			k.have |= keySeen
		case "sock":
			p.Cookie = n
		case "owner":
			o.Cookie = n
			k.have |= keyOwner
		case "if":
			p.Ifindex = uint32(n)
		case "space":
			p.NsHigh, p.NsLow = uint8(n>>16), uint16(n)
		case "mark":
			p.Mark = uint32(n)
		case "link":
			k.link = uint16(n)
		case "l2":
			k.l2, _ = base64.RawStdEncoding.AppendDecode(k.l2[:0], v)
		}
	})
	if !k.given(keyTID) {
		o.Tid = o.Pid
	}
	if !k.given(keyOwner) {
		o.Cookie = p.Cookie
	}
	same := owner{nspid: o.Pid}
	if usual.pid == o.Pid {
		same = *usual
	}
	if !k.given(keyUID) {
		o.Uid = same.uid
	}
	if !k.given(keyStart) {
		o.Start = same.start
	}
	if !k.given(keyNSPID) {
		o.Nspid = same.nspid
	}
	switch {
	case k.given(keyNSTID):
	case o.Nspid != o.Pid && o.Tid == o.Pid:
		o.Nstid = o.Nspid
	default:
		o.Nstid = o.Tid
	}
}

// parseOwner parses the comment of an interface for a process.
func parseOwner(b []byte) owner {
	var o owner
	nspid := false
	eachKey(b, func(key, v []byte) {
		switch n := number(v); string(key) {
		case "pid":
			o.pid = uint32(n)
		case "nspid":
			o.nspid, nspid = uint32(n), true
		case "uid":
			o.uid = uint32(n)
		case "start":
			o.start = n
		}
	})
	if !nspid {
		o.nspid = o.pid
	}
	return o
}

// parseDevice parses the comment of an interface for a network device.
func parseDevice(b []byte) (index uint32, netns uint64) {
	eachKey(b, func(key, v []byte) {
		switch n := number(v); string(key) {
		case "if":
			index = uint32(n)
		case "netns":
			netns = n
		}
	})
	return index, netns
}

// eachKey calls do for each key=value of a comment. They are separated by spaces.
func eachKey(b []byte, do func(key, v []byte)) {
	for len(b) > 0 {
		word := b
		if i := bytes.IndexByte(b, ' '); i >= 0 {
			word, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if i := bytes.IndexByte(word, '='); i >= 0 {
			do(word[:i], word[i+1:])
		}
	}
}

// number parses a decimal number. It returns 0 if b is not one, or if it overflows.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		if n > (1<<64-1)/10 || n*10 > 1<<64-1-uint64(c-'0') {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// unescape decodes %XX in b into dst, up to the length of dst.
func unescape(dst, b []byte) {
	for i := 0; len(b) > 0 && i < len(dst); i++ {
		c := b[0]
		if c == '%' && len(b) >= 3 {
			c, b = hex(b[1])<<4|hex(b[2]), b[2:]
		}
		dst[i], b = c, b[1:]
	}
}

func hex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0
}

func evidence(v []byte, n uint64) uint32 {
	name, old := bytes.CutSuffix(v, []byte(",old"))
	how := uint32(0)
	switch string(name) {
	case "created":
		how = wire.OwnerCreated
	case "found":
		how = wire.OwnerFound
	case "sent":
		how = wire.OwnerSent
	case "received":
		how = wire.OwnerReceived
	case "accepted":
		how = wire.OwnerAccepted
	case "used":
		how = wire.OwnerUsed
	default:
		return uint32(n)
	}
	if old {
		how |= wire.OwnerOld
	}
	return how
}

func made(v []byte, n uint64) uint8 {
	switch string(v) {
	case "rst":
		return wire.MadeRst
	case "timewait":
		return wire.MadeTimewait
	case "icmp":
		return wire.MadeIcmp
	case "closed":
		return wire.MadePeer
	}
	return uint8(n)
}

func flags(v []byte, n uint64) uint8 {
	f := uint8(n)
	for len(v) > 0 {
		name, rest, _ := bytes.Cut(v, []byte{','})
		switch string(name) {
		case "wire":
			f |= wire.PacketWire
		case "handed":
			f |= wire.PacketHanded
		case "claimed":
			f |= wire.PacketClaimed
		case "matched":
			f |= wire.PacketMatched
		case "shared":
			f |= wire.PacketShared
		}
		v = rest
	}
	return f
}

// ptcpdump parses a comment of ptcpdump, with a key, a colon and a value on each line:
//
//	PID: 123
//	Cmd: /usr/bin/curl
//	Args: curl https://example.com/
func ptcpdump(b []byte, o *wire.Owner) {
	if !bytes.HasPrefix(b, []byte("PID: ")) && !bytes.HasPrefix(b, []byte("ThreadId: ")) && !bytes.HasPrefix(b, []byte("UserId: ")) {
		return
	}
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		key, v, _ := bytes.Cut(line, []byte(": "))
		switch string(key) {
		case "PID":
			o.Pid = uint32(number(v))
			if o.Tid == 0 {
				o.Tid = o.Pid
			}
		case "Cmd", "Command":
			name(&o.Comm, v[bytes.LastIndexByte(v, '/')+1:])
		case "ThreadId":
			o.Tid = uint32(number(v))
		case "ThreadName":
			name(&o.Comm, v)
		case "UserId":
			o.Uid = uint32(number(v))
		}
	}
}

// name sets the name of a thread, truncated and terminated by NUL.
func name(dst *[16]byte, v []byte) {
	*dst = [16]byte{}
	copy(dst[:len(dst)-1], v)
}
