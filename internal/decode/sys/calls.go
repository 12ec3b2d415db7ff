package sys

import "github.com/pidwire/pidwire/internal/wire"

// What a call does with a socket's data: its result counts bytes.
const (
	nothing = iota
	in
	out
)

type param struct {
	name string // as in the man page
	kind kind
}

type call struct {
	name string
	data uint8
	args []param
	ret  func(*Decoder) // what else is to be said of a result; nil: nothing
}

// calls says how each call of wire.Calls is shown. Calls that an ABI has under
// another layout are told apart by their kinds of argument, which see the ABI.
var calls = []call{
	{"socket", nothing, []param{{"domain", family}, {"type", sockType}, {"protocol", protocol}}, retFD},
	{"socketpair", nothing, []param{{"domain", family}, {"type", sockType}, {"protocol", udec}, {"sv", pair}}, nil},
	{"bind", nothing, []param{{"sockfd", fd}, {"addr", addrIn}, {"addrlen", addrLen}}, nil},
	{"connect", nothing, []param{{"sockfd", fd}, {"addr", addrIn}, {"addrlen", addrLen}}, nil},
	{"listen", nothing, []param{{"sockfd", fd}, {"backlog", dec}}, nil},
	{"accept", nothing, []param{{"sockfd", fd}, {"addr", addrOut}, {"addrlen", addrLenOut}}, retFD},
	{"accept4", nothing, []param{{"sockfd", fd}, {"addr", addrOut}, {"addrlen", addrLenOut}, {"flags", late(sockFlags)}}, retFD},
	{"getsockname", nothing, []param{{"sockfd", fd}, {"addr", addrOut}, {"addrlen", addrLenOut}}, nil},
	{"getpeername", nothing, []param{{"sockfd", fd}, {"addr", addrOut}, {"addrlen", addrLenOut}}, nil},
	{"shutdown", nothing, []param{{"sockfd", fd}, {"how", how}}, nil},

	{"send", out, []param{{"sockfd", fd}, {"buf", bufIn}, {"len", size}, {"flags", msgBits}}, nil},
	{"sendto", out, []param{{"sockfd", fd}, {"buf", bufIn}, {"len", size}, {"flags", msgBits}, {"dest_addr", addrIn}, {"addrlen", addrLen}}, nil},
	{"recv", in, []param{{"sockfd", fd}, {"buf", bufOut}, {"len", sizeExit}, {"flags", late(msgBits)}}, nil},
	{"recvfrom", in, []param{{"sockfd", fd}, {"buf", bufOut}, {"len", sizeExit}, {"flags", late(msgBits)}, {"src_addr", addrRecv}, {"addrlen", addrLenRecv}}, nil},
	{"sendmsg", out, []param{{"sockfd", fd}, {"msg", msgIn}, {"flags", msgBits}}, nil},
	{"recvmsg", in, []param{{"sockfd", fd}, {"msg", msgOut}, {"flags", late(msgBits)}}, nil},
	{"sendmmsg", nothing, []param{{"sockfd", fd}, {"msgvec", mmsgIn}, {"vlen", late(udec)}, {"flags", late(msgBits)}}, retMmsgSent},
	{"recvmmsg", nothing, []param{{"sockfd", fd}, {"msgvec", mmsgOut}, {"vlen", late(udec)}, {"flags", late(msgBits)}, {"timeout", late(timespecIn)}}, retMmsgReceived},
	{"recvmmsg_time64", nothing, []param{{"sockfd", fd}, {"msgvec", mmsgOut}, {"vlen", late(udec)}, {"flags", late(msgBits)}, {"timeout", late(timespec64In)}}, retMmsgReceived64},

	{"setsockopt", nothing, []param{{"sockfd", fd}, {"level", optLevel}, {"optname", optSetName}, {"optval", optSet}, {"optlen", dec}}, nil},
	{"getsockopt", nothing, []param{{"sockfd", fd}, {"level", optLevel}, {"optname", optGetName}, {"optval", optGet}, {"optlen", optGetLen}}, retOpt},

	{"read", in, []param{{"fd", fd}, {"buf", bufOut}, {"count", sizeExit}}, nil},
	{"write", out, []param{{"fd", fd}, {"buf", bufIn}, {"count", size}}, nil},
	{"readv", in, []param{{"fd", fd}, {"iov", iovOut}, {"iovcnt", late(ulong)}}, nil},
	{"writev", out, []param{{"fd", fd}, {"iov", iovIn}, {"iovcnt", ulong}}, nil},
	{"pread64", in, []param{{"fd", fd}, {"buf", bufOut}, {"count", sizeExit}, {"offset", late(offset3)}}, nil},
	{"pwrite64", out, []param{{"fd", fd}, {"buf", bufIn}, {"count", size}, {"offset", offset3}}, nil},
	{"preadv", in, []param{{"fd", fd}, {"iov", iovOut}, {"iovcnt", late(ulong)}, {"offset", late(offsetHalves)}}, nil},
	{"pwritev", out, []param{{"fd", fd}, {"iov", iovIn}, {"iovcnt", ulong}, {"offset", offsetHalves}}, nil},
	{"preadv2", in, []param{{"fd", fd}, {"iov", iovOut}, {"iovcnt", late(ulong)}, {"offset", late(offsetHalves)}, {"flags", late(rwfBits)}}, nil},
	{"pwritev2", out, []param{{"fd", fd}, {"iov", iovIn}, {"iovcnt", ulong}, {"offset", offsetHalves}, {"flags", rwfBits}}, nil},
	{"sendfile", out, []param{{"out_fd", fd}, {"in_fd", fd}, {"offset", offsetInOut}, {"count", sizeExit}}, nil},
	{"sendfile64", out, []param{{"out_fd", fd}, {"in_fd", fd}, {"offset", offset64InOut}, {"count", sizeExit}}, nil},
	{"splice", nothing, []param{{"fd_in", fd}, {"off_in", offsetSplice}, {"fd_out", fd}, {"off_out", offsetSplice}, {"len", size}, {"flags", spliceBits}}, retSplice},
	{"copy_file_range", nothing, []param{{"fd_in", fd}, {"off_in", offsetSplice}, {"fd_out", fd}, {"off_out", offsetSplice}, {"size", size}, {"flags", udec}}, nil},
	{"tee", nothing, []param{{"fd_in", fd}, {"fd_out", fd}, {"len", size}, {"flags", spliceBits}}, nil},

	{"getpmsg", nothing, raw5, nil},
	{"putpmsg", nothing, raw5, nil},

	{"close", nothing, []param{{"fd", fd}}, nil},
	{"close_range", nothing, []param{{"first", udec}, {"last", udec}, {"flags", bits(closeRangeFlags)}}, nil},
	{"dup", nothing, []param{{"oldfd", fd}}, retFD},
	{"dup2", nothing, []param{{"oldfd", fd}, {"newfd", fd}}, retFD},
	{"dup3", nothing, []param{{"oldfd", fd}, {"newfd", fd}, {"flags", bits(openFlags)}}, retFD},
	{"fcntl", nothing, fcntlArgs, retFcntl},
	{"fcntl64", nothing, fcntlArgs, retFcntl},
	{"ioctl", nothing, []param{{"fd", fd}, {"request", ioctlRequest}, {"argp", ioctlArg}}, nil},
	{"pidfd_getfd", nothing, []param{{"pidfd", fd}, {"targetfd", fd}, {"flags", hexBits}}, retFD},

	{"poll", nothing, []param{{"fds", pollIn}, {"nfds", udec}, {"timeout", dec}}, retPoll},
	{"ppoll", nothing, []param{{"fds", pollIn}, {"nfds", udec}, {"tmo_p", timespecIn}, {"sigmask", sigmask}, {"sigsetsize", size}}, retPpoll},
	{"ppoll_time64", nothing, []param{{"fds", pollIn}, {"nfds", udec}, {"tmo_p", timespec64In}, {"sigmask", sigmask}, {"sigsetsize", size}}, retPpoll64},
	{"select", nothing, selectArgs, retSelect},
	{"_newselect", nothing, selectArgs, retSelect},
	{"pselect6", nothing, []param{{"nfds", dec}, {"readfds", fdSet}, {"writefds", fdSet}, {"exceptfds", fdSet}, {"timeout", timespecIn}, {"sigmask", sigmaskPair}}, retPselect},
	{"pselect6_time64", nothing, []param{{"nfds", dec}, {"readfds", fdSet}, {"writefds", fdSet}, {"exceptfds", fdSet}, {"timeout", timespec64In}, {"sigmask", sigmaskPair}}, retPselect64},
	{"epoll_create", nothing, []param{{"size", dec}}, retFD},
	{"epoll_create1", nothing, []param{{"flags", bits(epollFlags)}}, retFD},
	{"epoll_ctl", nothing, []param{{"epfd", fd}, {"op", opcode(epollOps)}, {"fd", fd}, {"event", epollEvent}}, nil},
	{"epoll_wait", nothing, []param{{"epfd", fd}, {"events", epollEvents}, {"maxevents", late(dec)}, {"timeout", late(dec)}}, nil},
	{"epoll_pwait", nothing, []param{{"epfd", fd}, {"events", epollEvents}, {"maxevents", late(dec)}, {"timeout", late(dec)}, {"sigmask", late(sigmask)}, {"sigsetsize", sizeExit}}, nil},
	{"epoll_pwait2", nothing, []param{{"epfd", fd}, {"events", epollEvents}, {"maxevents", late(dec)}, {"timeout", late(timespec64In)}, {"sigmask", late(sigmask)}, {"sigsetsize", sizeExit}}, nil},

	{"restart_syscall", nothing, []param{{"call", resumed}}, nil},
	{"io_submit", nothing, []param{{"ctx_id", pointer}, {"nr", dec}, {"iocbpp", iocbs}}, nil},
	{"io_getevents", nothing, []param{{"ctx_id", pointer}, {"min_nr", dec}, {"nr", dec}, {"events", ioEvents}, {"timeout", late(timespecIn)}}, nil},
	{"io_pgetevents", nothing, []param{{"ctx_id", pointer}, {"min_nr", dec}, {"nr", dec}, {"events", ioEvents}, {"timeout", late(timespecIn)}, {"usig", late(sigmaskPair)}}, nil},
	{"io_pgetevents_time64", nothing, []param{{"ctx_id", pointer}, {"min_nr", dec}, {"nr", dec}, {"events", ioEvents}, {"timeout", late(timespec64In)}, {"usig", late(sigmaskPair)}}, nil},

	{"io_uring_setup", nothing, []param{{"entries", udec}, {"params", uringParams}}, retFD},
	{"io_uring_enter", nothing, []param{{"fd", fd}, {"to_submit", udec}, {"min_complete", udec}, {"flags", bits(uringEnterFlags)}, {"argp", uringEnterArg}, {"argsz", size}}, nil},
	{"io_uring_register", nothing, []param{{"fd", fd}, {"opcode", opcode(uringRegisterOps)}, {"arg", pointer}, {"nr_args", udec}}, nil},

	{"socketcall", nothing, []param{{"call", opcode(socketcalls)}, {"args", pointer}}, nil},
}

var (
	raw5 = []param{{"fildes", hexa}, {"ctlptr", hexa}, {"dataptr", hexa}, {"band", hexa}, {"flags", hexa}}

	fcntlArgs  = []param{{"fd", fd}, {"cmd", opcode(fcntlCmds)}, {"arg", fcntlArg}}
	selectArgs = []param{{"nfds", dec}, {"readfds", fdSet}, {"writefds", fdSet}, {"exceptfds", fdSet}, {"timeout", timevalIn}}
)

const numbers = 512

// Where in calls a number leads, plus one; by ABI as in enum pw_abi, and for
// the numbers inside socketcall.
var (
	byNumber [wire.AbiX32 + 1][numbers]uint8
	byVector [wire.SocketcallMax + 1]uint8
)

func init() {
	byName := map[string]uint8{}
	for i := range calls {
		byName[calls[i].name] = uint8(i + 1)
	}
	const x32Bit = 0x40000000
	for nr := uint32(0); nr < 1024; nr++ {
		for abi := uint8(wire.AbiX8664); abi <= wire.AbiX32; abi++ {
			n := nr
			if abi == wire.AbiX32 {
				n |= x32Bit
			}
			if c := wire.FindCall(abi, n, 0); c != nil && nr < numbers {
				byNumber[abi][nr] = byName[c.Name]
			}
		}
	}
	byNumber[wire.AbiI386][wire.Socketcall] = byName["socketcall"]
	for sub := range byVector {
		if c := wire.FindCall(wire.AbiI386, wire.Socketcall, uint8(sub)); c != nil && sub > 0 {
			byVector[sub] = byName[c.Name]
		}
	}
}

// lookup finds how the call of a record is shown, nil if it is not known.
func lookup(s *wire.Syscall) *call {
	var i uint8
	switch {
	case s.Sub != 0:
		if int(s.Sub) < len(byVector) {
			i = byVector[s.Sub]
		}
	case s.Abi == wire.AbiX32:
		// x32 has numbers of its own above 512 (wire.Calls).
		if c := wire.FindCall(s.Abi, s.Nr, 0); c != nil {
			for j := range calls {
				if calls[j].name == c.Name {
					return &calls[j]
				}
			}
		}
	case int(s.Abi) < len(byNumber) && s.Nr < numbers:
		i = byNumber[s.Abi][s.Nr]
	}
	if i == 0 {
		return nil
	}
	return &calls[i-1]
}

// ArgNames returns the names of a call's arguments, as in the man page; nil where
// the call is none of ours. The slice is everybody's.
func ArgNames(call string) []string { return argNames[call] }

var argNames = func() map[string][]string {
	m := make(map[string][]string, len(calls))
	for i := range calls {
		if _, known := m[calls[i].name]; known {
			continue
		}
		names := make([]string, len(calls[i].args))
		for j := range names {
			names[j] = calls[i].args[j].name
		}
		m[calls[i].name] = names
	}
	return m
}()

// Constant returns the number of a family, type or protocol of socket(2) by its
// name, those of strace 4 (PF_INET) too.
func Constant(name string) (n uint64, ok bool) {
	n, ok = constants[name]
	return n, ok
}

var constants = map[string]uint64{
	"AF_UNIX": 1, "AF_LOCAL": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_VSOCK": 40, "AF_ALG": 38,
	"PF_UNIX": 1, "PF_LOCAL": 1, "PF_FILE": 1, "PF_INET": 2, "PF_INET6": 10, "PF_NETLINK": 16, "PF_PACKET": 17,
	"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_RDM": 4, "SOCK_SEQPACKET": 5, "SOCK_DCCP": 6, "SOCK_PACKET": 10,
	"IPPROTO_IP": 0, "IPPROTO_ICMP": 1, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17, "IPPROTO_ICMPV6": 58, "IPPROTO_SCTP": 132, "IPPROTO_MPTCP": 262, "0": 0,
}
