package bundle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"

	"github.com/pidwire/pidwire/internal/wire"
)

// hosts are the names that stand for addresses in files, and the addresses that
// were made up for them: each file's reader makes up its own, and one name is to
// be one address in all.
type hosts struct {
	mu    sync.Mutex
	names map[hostKey]netip.Addr
	taken map[netip.Addr]bool
	bytes int // of all, about
	next  uint32
}

type hostKey struct {
	name string
	v6   bool
}

const (
	// hostBytes bounds the names of all files, with hostSize for each entry.
	hostBytes = 3 << 20
	hostSize  = 150
)

// addr returns the address of a name, for which a file's reader has made up own. It
// fails where there is no room for the name, and another one has that address.
func (h *hosts) addr(name string, own netip.Addr) (netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := hostKey{name, own.Is6()}
	if a, known := h.names[key]; known {
		return a, nil
	}
	if h.bytes += len(name) + hostSize; h.bytes > hostBytes {
		h.bytes = hostBytes
		if h.taken[own] {
			return own, fmt.Errorf("more than %d names of hosts in files that are read as one: have tcpdump write numbers (-n), or open it alone", len(h.names))
		}
		return own, nil
	}
	a := own
	for h.taken[a] {
		// From the other end of the range that foreign/dump takes them from.
		h.next++
		b := own.As16()
		if own.Is4() {
			n := 198<<24 | 19<<16 | 0xffff - h.next
			a = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			continue
		}
		b[12] = 0xff
		binary.BigEndian.PutUint16(b[14:], uint16(h.next))
		b[13] = byte(h.next >> 16)
		a = netip.AddrFrom16(b)
	}
	if h.names == nil {
		h.names, h.taken = map[hostKey]netip.Addr{}, map[netip.Addr]bool{}
	}
	h.names[key], h.taken[a] = a, true
	return a, nil
}

// made reports whether an address was made up.
func (h *hosts) made(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken[a.Unmap()]
}

// rename gives a name's record, in place, the address that it has in all files.
// It returns both addresses, invalid where the record is no such.
func (h *hosts) rename(r wire.Record) (own, all netip.Addr, err error) {
	var n wire.Name
	if !n.Unmarshal(r) || n.What != wire.NameHost {
		return own, all, nil
	}
	attrs := r[wire.SizeName:]
	b := wire.AttrOf(attrs, wire.TagAddr)
	own, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, all, nil
	}
	all, err = h.addr(string(wire.AttrOf(attrs, wire.TagName)), own)
	copy(b, all.AsSlice())
	return own, all, err
}

// readdress puts other addresses into the IP header of a packet, in place, as to
// says. Checksums of what is above are not looked at: who made addresses up did
// not know them.
func readdress(r wire.Record, to func(netip.Addr) (netip.Addr, bool)) {
	if len(r) < wire.SizePacket || binary.LittleEndian.Uint16(r[wire.OffPacketLink:]) != 0 {
		return
	}
	caplen := uint64(binary.LittleEndian.Uint32(r[wire.OffPacketCaplen:]))
	if caplen > uint64(len(r)-wire.SizePacket) {
		return
	}
	p := r[wire.SizePacket : wire.SizePacket+int(caplen)]
	put := func(b []byte) bool {
		a, _ := netip.AddrFromSlice(b)
		n, ok := to(a)
		if !ok || n.BitLen() != a.BitLen() {
			return false
		}
		copy(b, n.AsSlice())
		return true
	}
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		// Both are put, also where the first was one.
		src, dst := put(p[12:16]), put(p[16:20])
		if !src && !dst {
			return
		}
		head := min(int(p[0]&0xf)*4, len(p))
		p[10], p[11] = 0, 0
		var sum uint32
		for i := 0; i+1 < head; i += 2 {
			sum += uint32(p[i])<<8 | uint32(p[i+1])
		}
		for sum > 0xffff {
			sum = sum&0xffff + sum>>16
		}
		binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	case len(p) >= 40 && p[0]>>4 == 6:
		put(p[8:24])
		put(p[24:40])
	}
}
