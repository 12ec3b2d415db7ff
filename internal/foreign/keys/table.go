package keys

//go:generate go run ./gen -out ../../../bpf/keys.h

// This file is the single list of options and messages with keys. gen converts it to bpf/keys.h for
// the kernel side; the decoder and Hide use Value and Messages.

// Option is a socket option whose value has a key.
type Option struct {
	Level, Num uint32
	Name       string
	Before     uint32 // bytes of the value before the key, which may be copied and shown
}

// Options has the options of Linux (include/uapi/linux: tls.h, tcp.h, if_alg.h, rxrpc.h, sctp.h).
var Options = [...]Option{
	{solTCP, 14, "TCP_MD5SIG", 136},     // address, flags, prefixlen, keylen, ifindex
	{solTCP, 32, "TCP_MD5SIG_EXT", 136}, // the same struct
	{solTCP, 33, "TCP_FASTOPEN_KEY", 0},
	{solTCP, 38, "TCP_AO_ADD_KEY", 128},  // address
	{solTCP, 41, "TCP_AO_GET_KEYS", 128}, // address
	{solSCTP, 23, "SCTP_AUTH_KEY", 0},
	{solRxrpc, 1, "RXRPC_SECURITY_KEY", 0},
	{solALG, 1, "ALG_SET_KEY", 0},
	{solALG, 6, "ALG_SET_DRBG_ENTROPY", 0},
	{solALG, 7, "ALG_SET_KEY_BY_KEY_SERIAL", 0},
	{solTLS, 1, "TLS_TX", 4}, // version, cipher_type
	{solTLS, 2, "TLS_RX", 4},
}

const (
	solTCP   = 6
	solSCTP  = 132
	solRxrpc = 272
	solALG   = 279
	solTLS   = 282
)

// Head is the kind of header at the start of a message. Only the header may be copied and shown, if it
// is valid.
type Head uint8

const (
	NoKeys      Head = iota // messages are data
	NoHead                  // nothing of a message may be copied
	NetlinkHead             // struct nlmsghdr
	GenericHead             // struct nlmsghdr and struct genlmsghdr
	PFKeyHead               // struct sadb_msg
	FirstBuffer             // the first buffer, from which the source removes the keys
	ControlKeys             // messages are data; their control messages are like options, for which see Options
)

// Len returns the maximum length of the header, in bytes.
func (h Head) Len() uint64 {
	switch h {
	case NetlinkHead, PFKeyHead:
		return 16
	case GenericHead:
		return 20
	}
	return 0
}

// AnyProtocol means all protocols of a family.
const AnyProtocol = -1

// Family is a family and protocol of sockets whose messages have keys, in both directions: the kernel
// also returns the keys that it has been given.
type Family struct {
	Family   uint16
	Protocol int32
	Name     string
	Head     Head
}

// Families has the families of Linux. Some families of generic netlink have keys (WireGuard, nl80211,
// macsec, seg6, TIPC, OVPN), but many do not; their numbers are assigned by the kernel at run
// time. Data that is encrypted (AF_ALG) or will be (TLS) is not a key.
var Families = [...]Family{
	{afNetlink, 4, "NETLINK_SOCK_DIAG", FirstBuffer}, // INET_DIAG_MD5SIG
	{afNetlink, 6, "NETLINK_XFRM", NetlinkHead},
	{afNetlink, 8, "NETLINK_ISCSI", NetlinkHead}, // CHAP
	{afNetlink, 16, "NETLINK_GENERIC", GenericHead},
	{afNetlink, 19, "NETLINK_ECRYPTFS", NetlinkHead},
	{15, AnyProtocol, "AF_KEY", PFKeyHead},
	{31, 1, "BTPROTO_HCI", NoHead}, // link keys
	{38, AnyProtocol, "AF_ALG", ControlKeys},
}

const afNetlink = 16

// messageNames has the names of message types with keys in strace, for fds of unknown protocol: those
// of NETLINK_XFRM and of families of generic netlink.
var messageNames = [...]string{
	"nlmsg_type=XFRM_MSG_", "nlmsg_type=wireguard", "nlmsg_type=macsec", "nlmsg_type=nl80211", "nlmsg_type=SEG6",
	"nlmsg_type=TIPC", "nlmsg_type=ovpn", "/* XFRM_MSG_??? */",
}

// Value reports whether the value of a socket option has a key. The same is true of a control message
// of that level and type.
func Value(level, num uint32) bool {
	for i := range Options {
		if o := &Options[i]; o.Level == level && o.Num == num {
			return true
		}
	}
	return false
}

// Messages returns the part of the messages of a socket that may be shown.
func Messages(family, protocol uint16) Head {
	for i := range Families {
		if f := &Families[i]; f.Family == family && (f.Protocol == AnyProtocol || f.Protocol == int32(protocol)) {
			return f.Head
		}
	}
	return NoKeys
}
