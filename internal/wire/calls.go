package wire

// Call is a system call that pidwire follows, whatever its number.
type Call uint16

// CallInfo says how a call is numbered and how the kernel side captures it. To
// follow another call, add a line to Calls (and one to the table of
// internal/decode/sys): docs/HOWTO-add-syscall.md.
type CallInfo struct {
	Name string // as strace names it
	// Numbers by ABI; no where the ABI lacks it.
	AMD64, I386, ARM64, ARM int16
	Socketcall              uint8 // i386: number inside socketcall(2), 0 none
	Network                 bool  // in strace's %network class
	Desc                    Calldesc
}

// Audited reports whether pidwire has audit record the call: those on sockets
// alone, for read, write and close would record every file of a process too.
func (c *CallInfo) Audited() bool {
	switch c.Name {
	case "sendfile", "sendfile64", "getpmsg", "putpmsg":
		return false
	}
	return c.Network
}

const no = -1

const (
	on     = DescOn
	sock   = DescOn | DescSock
	ret    = DescOn | DescRetfd
	retSck = DescOn | DescSock | DescRetfd
)

// Calls is the call set: strace's %network, and what else moves a socket's
// data, life or readiness (linux/arch/*/entry/syscalls/*.tbl,
// include/uapi/asm-generic/unistd.h, include/uapi/linux/net.h).
var Calls = []CallInfo{
	{"socket", 41, 359, 198, 281, 1, true, Calldesc{CapNone, ret, -1, -1}},
	{"bind", 49, 361, 200, 282, 2, true, Calldesc{CapAddrIn, on | DescPorts, 0, -1}},
	{"connect", 42, 362, 203, 283, 3, true, Calldesc{CapAddrIn, on, 0, -1}},
	{"listen", 50, 363, 201, 284, 4, true, Calldesc{CapNone, on, 0, -1}},
	{"accept", 43, no, 202, 285, 5, true, Calldesc{CapAddrOut, ret, 0, -1}},
	{"getsockname", 51, 367, 204, 286, 6, true, Calldesc{CapAddrOut, on, 0, -1}},
	{"getpeername", 52, 368, 205, 287, 7, true, Calldesc{CapAddrOut, on, 0, -1}},
	{"socketpair", 53, 360, 199, 288, 8, true, Calldesc{CapFdpair, on, -1, -1}},
	{"send", no, no, no, 289, 9, true, Calldesc{CapBufIn, on, 0, -1}},
	{"recv", no, no, no, 291, 10, true, Calldesc{CapBufOut, on, 0, -1}},
	{"sendto", 44, 369, 206, 290, 11, true, Calldesc{CapSendto, on, 0, -1}},
	{"recvfrom", 45, 371, 207, 292, 12, true, Calldesc{CapRecvfrom, on, 0, -1}},
	{"shutdown", 48, 373, 210, 293, 13, true, Calldesc{CapNone, on, 0, -1}},
	{"setsockopt", 54, 366, 208, 294, 14, true, Calldesc{CapOptSet, on, 0, -1}},
	{"getsockopt", 55, 365, 209, 295, 15, true, Calldesc{CapOptGet, on, 0, -1}},
	{"sendmsg", 46, 370, 211, 296, 16, true, Calldesc{CapMsgIn, on, 0, -1}},
	{"recvmsg", 47, 372, 212, 297, 17, true, Calldesc{CapMsgOut, on, 0, -1}},
	{"accept4", 288, 364, 242, 366, 18, true, Calldesc{CapAddrOut, ret, 0, -1}},
	{"recvmmsg", 299, 337, 243, 365, 19, true, Calldesc{CapMmsgOut, on, 0, -1}},
	{"recvmmsg_time64", no, 417, no, 417, 0, true, Calldesc{CapMmsgOut, on | DescTime64, 0, -1}},
	{"sendmmsg", 307, 345, 269, 374, 20, true, Calldesc{CapMmsgIn, on, 0, -1}},
	{"sendfile", 40, 187, 71, 187, 0, true, Calldesc{CapSendfile, sock, 0, 1}},
	{"sendfile64", no, 239, no, 239, 0, true, Calldesc{CapSendfile, sock | DescTime64, 0, 1}},
	{"getpmsg", 181, 188, no, no, 0, true, Calldesc{CapNone, on, 0, -1}},
	{"putpmsg", 182, 189, no, no, 0, true, Calldesc{CapNone, on, 0, -1}},

	{"read", 0, 3, 63, 3, 0, false, Calldesc{CapBufOut, sock, 0, -1}},
	{"write", 1, 4, 64, 4, 0, false, Calldesc{CapBufIn, sock, 0, -1}},
	{"readv", 19, 145, 65, 145, 0, false, Calldesc{CapIovOut, sock, 0, -1}},
	{"writev", 20, 146, 66, 146, 0, false, Calldesc{CapIovIn, sock, 0, -1}},
	{"pread64", 17, 180, 67, 180, 0, false, Calldesc{CapBufOut, sock, 0, -1}},
	{"pwrite64", 18, 181, 68, 181, 0, false, Calldesc{CapBufIn, sock, 0, -1}},
	{"preadv", 295, 333, 69, 361, 0, false, Calldesc{CapIovOut, sock, 0, -1}},
	{"pwritev", 296, 334, 70, 362, 0, false, Calldesc{CapIovIn, sock, 0, -1}},
	{"preadv2", 327, 378, 286, 392, 0, false, Calldesc{CapIovOut, sock, 0, -1}},
	{"pwritev2", 328, 379, 287, 393, 0, false, Calldesc{CapIovIn, sock, 0, -1}},
	{"splice", 275, 313, 76, 340, 0, false, Calldesc{CapSplice, sock, 0, 2}},
	{"copy_file_range", 326, 377, 285, 391, 0, false, Calldesc{CapSplice, sock, 0, 2}},
	{"tee", 276, 315, 77, 342, 0, false, Calldesc{CapNone, sock, 0, 1}},

	{"close", 3, 6, 57, 6, 0, false, Calldesc{CapNone, sock, 0, -1}},
	{"close_range", 436, 436, 436, 436, 0, false, Calldesc{CapNone, on, -1, -1}},
	{"dup", 32, 41, 23, 41, 0, false, Calldesc{CapNone, retSck, 0, -1}},
	{"dup2", 33, 63, no, 63, 0, false, Calldesc{CapNone, retSck, 0, 1}},
	{"dup3", 292, 330, 24, 358, 0, false, Calldesc{CapNone, retSck, 0, 1}},
	{"fcntl", 72, 55, 25, 55, 0, false, Calldesc{CapFcntl, sock, 0, -1}},
	{"fcntl64", no, 221, no, 221, 0, false, Calldesc{CapFcntl, sock, 0, -1}},
	{"ioctl", 16, 54, 29, 54, 0, false, Calldesc{CapIoctl, sock, 0, -1}},
	{"pidfd_getfd", 438, 438, 438, 438, 0, false, Calldesc{CapNone, DescOn | DescRetfd | DescRetsock, -1, -1}},

	{"poll", 7, 168, no, 168, 0, false, Calldesc{CapPoll, on, -1, -1}},
	{"ppoll", 271, 309, 73, 336, 0, false, Calldesc{CapPoll, on | DescTs3, -1, -1}},
	{"ppoll_time64", no, 414, no, 414, 0, false, Calldesc{CapPoll, on | DescTs3 | DescTime64, -1, -1}},
	{"select", 23, 82, no, no, 0, false, Calldesc{CapSelect, on, -1, -1}},
	{"_newselect", no, 142, no, 142, 0, false, Calldesc{CapSelect, on, -1, -1}},
	{"pselect6", 270, 308, 72, 335, 0, false, Calldesc{CapSelect, on, -1, -1}},
	{"pselect6_time64", no, 413, no, 413, 0, false, Calldesc{CapSelect, on | DescTime64, -1, -1}},
	{"epoll_create", 213, 254, no, 250, 0, false, Calldesc{CapNone, on, -1, -1}},
	{"epoll_create1", 291, 329, 20, 357, 0, false, Calldesc{CapNone, on, -1, -1}},
	{"epoll_ctl", 233, 255, 21, 251, 0, false, Calldesc{CapEpollCtl, sock, 2, -1}},
	{"epoll_wait", 232, 256, no, 252, 0, false, Calldesc{CapEpollWait, on, -1, -1}},
	{"epoll_pwait", 281, 319, 22, 346, 0, false, Calldesc{CapEpollWait, on, -1, -1}},
	{"restart_syscall", 219, 0, 128, 0, 0, false, Calldesc{CapRestart, on, -1, -1}},
	{"epoll_pwait2", 441, 441, 441, 441, 0, false, Calldesc{CapEpollWait, on | DescTs4, -1, -1}},

	{"io_submit", 209, 248, 2, 246, 0, false, Calldesc{CapAioSubmit, on, -1, -1}},
	{"io_getevents", 208, 247, 4, 245, 0, false, Calldesc{CapAioEvents, on, -1, -1}},
	{"io_pgetevents", 333, 385, 292, 399, 0, false, Calldesc{CapAioEvents, on, -1, -1}},
	{"io_pgetevents_time64", no, 416, no, 416, 0, false, Calldesc{CapAioEvents, on | DescTime64, -1, -1}},

	{"io_uring_setup", 425, 425, 425, 425, 0, false, Calldesc{CapUringSetup, on, -1, -1}},
	{"io_uring_enter", 426, 426, 426, 426, 0, false, Calldesc{CapNone, on, -1, -1}},
	{"io_uring_register", 427, 427, 427, 427, 0, false, Calldesc{CapNone, on, -1, -1}},
}

// Socketcall is the i386 call that holds the socket calls of old programs.
const Socketcall = 102

// SocketcallMax is the highest number inside socketcall(2): SYS_SENDMMSG.
const SocketcallMax = 20

// x32Bit marks an x32 number (__X32_SYSCALL_BIT).
const x32Bit = 0x40000000

// X32Numbers names the calls whose number differs from x86_64's
// (linux/arch/x86/entry/syscalls/syscall_64.tbl, abi x32).
var X32Numbers = map[uint32]string{
	514: "ioctl", 515: "readv", 516: "writev", 517: "recvfrom", 518: "sendmsg",
	519: "recvmsg", 534: "preadv", 535: "pwritev", 537: "recvmmsg", 538: "sendmmsg",
	544: "io_submit", 541: "setsockopt", 542: "getsockopt", 546: "preadv2", 547: "pwritev2",
}

// Number returns the number that the ABI gives to the call, and whether it has
// one of its own (not through socketcall).
func (c *CallInfo) Number(abi uint8) (uint32, bool) {
	n := int16(no)
	switch abi {
	case AbiX8664:
		n = c.AMD64
	case AbiI386:
		n = c.I386
	case AbiARM64:
		n = c.ARM64
	case AbiARM:
		n = c.ARM
	}
	return uint32(n), n != no
}

// The ABIs under their usual capitals.
const (
	AbiARM64 = AbiArm64
	AbiARM   = AbiArm
)

const callSlots = 512

var (
	byNumber [5][callSlots]uint16 // index into Calls, plus one
	byVector [SocketcallMax + 1]uint16
	byName   = map[string]uint16{}
)

func init() {
	for i := range Calls {
		c := &Calls[i]
		for _, abi := range []uint8{AbiX8664, AbiI386, AbiARM64, AbiARM} {
			if n, ok := c.Number(abi); ok {
				byNumber[abi][n] = uint16(i + 1)
			}
		}
		if c.Socketcall != 0 {
			byVector[c.Socketcall] = uint16(i + 1)
		}
		byName[c.Name] = uint16(i + 1)
	}
}

// FindCall returns the call that a record is of: by its number, or for
// socketcall by the number inside. It returns nil if it is not in Calls.
func FindCall(abi uint8, nr uint32, sub uint8) *CallInfo {
	var i uint16
	switch {
	case sub != 0:
		if int(sub) < len(byVector) {
			i = byVector[sub]
		}
	case abi == AbiX32:
		nr &^= x32Bit
		if name, ok := X32Numbers[nr]; ok {
			i = byName[name]
		} else if nr < callSlots {
			i = byNumber[AbiX8664][nr]
		}
	case int(abi) < len(byNumber) && nr < callSlots:
		i = byNumber[abi][nr]
	}
	if i == 0 {
		return nil
	}
	return &Calls[i-1]
}

// CallByName returns the call of that name, nil if it is not in Calls.
func CallByName(name string) *CallInfo {
	if i := byName[name]; i != 0 {
		return &Calls[i-1]
	}
	return nil
}
