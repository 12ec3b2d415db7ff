package tcpdump

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/dns"
)

var dnsTypes = []word{
	{1, "A"}, {28, "AAAA"}, {2, "NS"}, {3, "MD"}, {4, "MF"}, {5, "CNAME"}, {6, "SOA"}, {7, "MB"}, {8, "MG"}, {9, "MR"},
	{10, "NULL"}, {11, "WKS"}, {12, "PTR"}, {13, "HINFO"}, {14, "MINFO"}, {15, "MX"}, {16, "TXT"}, {17, "RP"},
	{18, "AFSDB"}, {19, "X25"}, {20, "ISDN"}, {21, "RT"}, {22, "NSAP"}, {23, "NSAP_PTR"}, {24, "SIG"}, {25, "KEY"},
	{26, "PX"}, {27, "GPOS"}, {29, "LOC"}, {30, "NXT"}, {31, "EID"}, {32, "NIMLOC"}, {33, "SRV"}, {34, "ATMA"},
	{35, "NAPTR"}, {36, "KX"}, {37, "CERT"}, {38, "A6"}, {39, "DNAME"}, {40, "SINK"}, {41, "OPT"}, {42, "APL"}, {43, "DS"},
	{44, "SSHFP"}, {45, "IPSECKEY"}, {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {99, "SPF"}, {100, "UINFO"},
	{101, "UID"}, {102, "GID"}, {103, "UNSPEC"}, {104, "UNSPECA"}, {249, "TKEY"}, {250, "TSIG"}, {251, "IXFR"},
	{252, "AXFR"}, {253, "MAILB"}, {254, "MAILA"}, {255, "ANY"}, {256, "URI"},
}

// record writes a resource record and returns the offset after it, or the end of the captured
// data if its header is truncated.
func (m *dnsMessage) record(at int) (int, bool) {
	var ok bool
	if m.o.Verbose > 0 {
		m.byte(' ')
		if at, ok = m.domain(at, m.At); !ok {
			return 0, false
		}
	} else if at, ok = m.SkipName(at); !ok {
		return m.end, true
	}
	r, ok := m.RecordAfter(at)
	if !ok {
		return m.end, true
	}
	if r.Type != dns.TypeOPT {
		m.class(r.Class)
	}
	if m.multi && r.Class&topBit != 0 {
		m.str(" (Cache flush)")
	}
	m.byte(' ')
	m.named(dnsTypes, uint32(r.Type), "Type", "")
	if r.End > m.end {
		return 0, false
	}
	if r.Type == dns.TypeOPT {
		if m.multi {
			r.Class &^= topBit
		}
		m.say(" UDPsize=", uint32(r.Class))
		if r.TTL&0x8000 != 0 {
			m.str(" DO")
		}
		return r.End, m.extended(r.Data, r.End)
	}
	return r.End, m.data(r.Type, r.Data, r.End)
}

// data writes the RDATA from at to end. It returns false if it is truncated. Names may extend
// beyond end.
func (m *dnsMessage) data(kind uint16, at, end int) bool {
	ok := true
	switch kind {
	case 1: // A
		if !m.has(at, 4) {
			return false
		}
		m.byte(' ')
		m.addr4(at)
	case 28: // AAAA
		if !m.has(at, 16) {
			return false
		}
		m.byte(' ')
		m.addr6(at)
	case 2, 5, 12, 39: // NS, CNAME, PTR, DNAME
		m.byte(' ')
		_, ok = m.domain(at, m.At)
	case 6: // SOA
		if m.o.Verbose > 0 {
			return m.authority(at)
		}
	case 15: // MX
		m.byte(' ')
		if !m.has(at, 2) {
			return false
		}
		if _, ok = m.domain(at+2, m.At); ok {
			m.say(" ", uint32(m.u16(at)))
		}
	case 16: // TXT
		for at < end {
			m.str(" \"")
			n := uint32(m.u8(at))
			if !m.chars(at+1, n) {
				return false
			}
			at += 1 + int(n)
			m.byte('"')
		}
	case 33: // SRV
		m.byte(' ')
		if !m.has(at, 6) {
			return false
		}
		if _, ok = m.domain(at+6, m.At); ok {
			m.say(":", uint32(m.u16(at+4)))
			m.say(" ", uint32(m.u16(at)))
			m.say(" ", uint32(m.u16(at+2)))
		}
	case 38: // A6
		return m.prefixed(at)
	case 256: // URI
		if m.need(at, 4) {
			m.say(" ", uint32(m.u16(at)))
			m.say(" ", uint32(m.u16(at+2)))
			m.byte(' ')
			ok = m.chars(at+4, uint32(end-at-4))
		}
	case 104: // UNSPECA
		ok = m.chars(at, uint32(end-at))
	case 250: // TSIG
		if m.o.Verbose > 0 {
			return m.signature(at)
		}
	}
	return ok
}

// authority writes an SOA record.
func (m *dnsMessage) authority(at int) bool {
	var ok bool
	for range 2 {
		m.byte(' ')
		if at, ok = m.domain(at, m.At); !ok {
			return false
		}
	}
	if !m.has(at, 20) {
		return false
	}
	for i := range 5 {
		m.say(" ", m.u32(at+i*4))
	}
	return true
}

// prefixed writes an A6 record (RFC 2874, obsolete).
func (m *dnsMessage) prefixed(at int) bool {
	if !m.has(at, 1) {
		return false
	}
	bits := int(m.d[at])
	skip := bits / 8
	if bits > 128 {
		m.say(" ", uint32(bits))
		m.str("(bad plen)")
		return true
	}
	if bits < 128 {
		var a [16]byte
		if !m.need(at+1, uint32(16-skip)) {
			return true
		}
		copy(a[skip:], m.d[at+1:])
		m.say(" ", uint32(bits))
		m.byte(' ')
		m.b = append16(m.b, a)
	}
	if bits > 0 {
		m.byte(' ')
		_, ok := m.domain(at+1+16-skip, m.At)
		return ok
	}
	return true
}

// signature writes a TSIG record (RFC 8945).
func (m *dnsMessage) signature(at int) bool {
	m.byte(' ')
	at, ok := m.domain(at, m.At)
	if !ok {
		return false
	}
	at += 6 // the time
	for _, s := range [...]string{" fudge=", " maclen=", " origid=", " error=", " otherlen="} {
		if !m.has(at, 2) {
			return false
		}
		v := m.u16(at)
		m.say(s, uint32(v))
		at += 2
		if s == " maclen=" {
			at += int(v)
		}
	}
	return true
}

var (
	dnsOptions = []word{
		{1, "LLQ"}, {2, "UL"}, {3, "NSID"}, {5, "DAU"}, {6, "DHU"}, {7, "N3U"}, {8, "ECS"}, {9, "EXPIRE"}, {10, "COOKIE"},
		{11, "KEEPALIVE"}, {12, "PADDING"}, {13, "CHAIN"}, {14, "KEY-TAG"}, {16, "CLIENT-TAG"}, {17, "SERVER-TAG"},
	}
	dnsAlgorithms = []word{
		{0, "DELETE"}, {1, "RSAMD5"}, {2, "DH"}, {3, "DS"}, {5, "RSASHA1"}, {6, "DSA-NSEC3-SHA1"}, {7, "RSASHA1-NSEC3-SHA1"},
		{8, "RSASHA256"}, {10, "RSASHA512"}, {12, "ECC-GOST"}, {13, "ECDSAP256SHA256"}, {14, "ECDSAP384SHA384"},
		{15, "ED25519"}, {16, "ED448"}, {252, "INDIRECT"}, {253, "PRIVATEDNS"}, {254, "PRIVATEOID"},
	}
	dnsDigests = []word{{1, "SHA-1"}, {2, "SHA-256"}, {3, "GOST_R_34.11-94"}, {4, "SHA-384"}}
	dnsHashes  = []word{{1, "SHA-1"}}
)

// extended writes the options of an OPT record (RFC 6891).
func (m *dnsMessage) extended(at, end int) bool {
	if at >= end {
		return true
	}
	m.str(" [")
	for at < end {
		if !m.has(at, 2) {
			return false
		}
		code := uint32(m.u16(at))
		m.named(dnsOptions, code, "Opt", "")
		if !m.has(at+2, 2) {
			return false
		}
		n := uint32(m.u16(at + 2))
		at += 4
		if !m.has(at, n) {
			return false
		}
		if n > 0 {
			m.byte(' ')
			m.option(code, at, int(n))
			if m.cut {
				return false
			}
		}
		if at += int(n); at < end {
			m.byte(',')
		}
	}
	m.byte(']')
	return true
}

// option writes the n > 0 bytes of an EDNS option, all of which were captured.
func (m *dnsMessage) option(code uint32, at, n int) {
	b := m.d[at : at+n]
	be := binary.BigEndian
	switch code {
	case 5:
		m.algorithms(b, dnsAlgorithms)
	case 6:
		m.algorithms(b, dnsDigests)
	case 7:
		m.algorithms(b, dnsHashes)
	case 8:
		m.subnet(b)
	case 9:
		if n != 4 {
			m.invalid()
			return
		}
		m.num(be.Uint32(b))
		m.str(" sec")
	case 10:
		if n < 8 || n > 8 && n < 16 || n > 40 {
			m.invalid()
			return
		}
		m.octetString(b[:8])
		if n > 8 {
			m.byte(' ')
			m.octetString(b[8:])
		}
	case 11:
		if n != 2 {
			m.invalid()
			return
		}
		m.tenths(float64(be.Uint16(b)) / 10)
		m.str(" sec")
	case 12:
		m.say("(", uint32(n))
		m.byte(')')
	case 13:
		m.domain(at, at+n)
	case 14:
		if n%2 != 0 {
			m.invalid()
			return
		}
		for i := 0; i < n; i += 2 {
			if i > 0 {
				m.byte(' ')
			}
			m.num(uint32(be.Uint16(b[i:])))
		}
	default:
		m.octetString(b)
	}
}

func (m *dnsMessage) octetString(b []byte) {
	for _, c := range b {
		m.hex(uint64(c), 2)
	}
}

func (m *dnsMessage) algorithms(b []byte, names []word) {
	for i, c := range b {
		if i > 0 {
			m.byte(' ')
		}
		m.named(names, uint32(c), "Alg_", "")
	}
}

// subnet writes a client subnet (RFC 7871).
func (m *dnsMessage) subnet(b []byte) {
	if len(b) < 4 {
		m.invalid()
		return
	}
	bits := 32
	family, source, scope, addr := binary.BigEndian.Uint16(b), int(b[2]), int(b[3]), b[4:]
	if family == 2 {
		bits = 128
	}
	if family != 1 && family != 2 || source > bits || scope > bits || (source+7)/8 != len(addr) {
		m.invalid()
		return
	}
	var a [16]byte
	copy(a[:], addr)
	if family == 1 {
		m.b = append4(m.b, a[:])
	} else {
		m.b = append16(m.b, a)
	}
	m.say("/", uint32(source))
	m.say("/", uint32(scope))
}
