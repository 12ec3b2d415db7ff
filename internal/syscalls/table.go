package syscalls

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

const no = -1

// Flags: the kernel side records all calls (on), or only those whose fds are sockets
// (sock); ret: the return value is an fd.
const (
	on     = wire.DescOn
	sock   = wire.DescOn | wire.DescSock
	ret    = wire.DescOn | wire.DescRetfd
	retSck = wire.DescOn | wire.DescSock | wire.DescRetfd
)

// Indexes of the arguments that are fds; -1: none.
var (
	none          = [2]int8{-1, -1}
	first         = [2]int8{0, -1}
	third         = [2]int8{2, -1}
	firstTwo      = [2]int8{0, 1}
	firstAndThird = [2]int8{0, 2}
)

// Table has the traced calls: strace's %network, and other calls that transfer the data of a
// socket, open or close it, or wait for it. The numbers are from
// linux/arch/*/entry/syscalls/*.tbl, include/uapi/asm-generic/unistd.h and
// include/uapi/linux/net.h. To add a call, see docs/HOWTO-add-syscall.md.
var Table = []Call{
	{Name: "socket", Nr: Numbers{41, 359, 198, 281}, Vector: 1, Network: true, Role: event.Opens,
		Args: Args{{"domain", Family}, {"type", SockType}, {"protocol", Protocol}}, Result: ResultFD, Capture: wire.CapNone, Flags: ret, FDs: none},
	{Name: "bind", Nr: Numbers{49, 361, 200, 282}, Vector: 2, Network: true, Role: event.Binds,
		Args: Args{{"sockfd", FD}, {"addr", AddrIn}, {"addrlen", Dec}}, Capture: wire.CapAddrIn, Flags: on | wire.DescPorts, FDs: first},
	{Name: "connect", Nr: Numbers{42, 362, 203, 283}, Vector: 3, Network: true, Role: event.Connects,
		Args: Args{{"sockfd", FD}, {"addr", AddrIn}, {"addrlen", Dec}}, Capture: wire.CapAddrIn, Flags: on, FDs: first},
	{Name: "listen", Nr: Numbers{50, 363, 201, 284}, Vector: 4, Network: true, Role: event.Listens,
		Args: Args{{"sockfd", FD}, {"backlog", Dec}}, Capture: wire.CapNone, Flags: on, FDs: first},
	{Name: "accept", Nr: Numbers{43, no, 202, 285}, Vector: 5, Network: true, Role: event.Accepts,
		Args: Args{{"sockfd", FD}, {"addr", AddrOut}, {"addrlen", AddrLenOut}}, Result: ResultFD, Capture: wire.CapAddrOut, Flags: ret, FDs: first},
	{Name: "getsockname", Nr: Numbers{51, 367, 204, 286}, Vector: 6, Network: true, Role: event.AsksLocal,
		Args: Args{{"sockfd", FD}, {"addr", AddrOut}, {"addrlen", AddrLenOut}}, Capture: wire.CapAddrOut, Flags: on, FDs: first},
	{Name: "getpeername", Nr: Numbers{52, 368, 205, 287}, Vector: 7, Network: true, Role: event.AsksPeer,
		Args: Args{{"sockfd", FD}, {"addr", AddrOut}, {"addrlen", AddrLenOut}}, Capture: wire.CapAddrOut, Flags: on, FDs: first},
	{Name: "socketpair", Nr: Numbers{53, 360, 199, 288}, Vector: 8, Network: true, Role: event.OpensPair,
		Args: Args{{"domain", Family}, {"type", SockType}, {"protocol", UDec}, {"sv", FDPair}}, Capture: wire.CapFdpair, Flags: on, FDs: none},
	{Name: "send", Nr: Numbers{no, no, no, 289}, Vector: 9, Network: true, Role: event.Sends | event.SendsEmpty | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"buf", BufIn}, {"len", ULong}, {"flags", MsgFlags}}, Capture: wire.CapBufIn, Flags: on, FDs: first},
	{Name: "recv", Nr: Numbers{no, no, no, 291}, Vector: 10, Network: true, Role: event.Receives | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"buf", BufOut}, {"len", ULong | AtReturn}, {"flags", MsgFlags | AtReturn}}, Capture: wire.CapBufOut, Flags: on, FDs: first},
	{Name: "sendto", Nr: Numbers{44, 369, 206, 290}, Vector: 11, Network: true, Role: event.Sends | event.SendsEmpty | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"buf", BufIn}, {"len", ULong}, {"flags", MsgFlags}, {"dest_addr", AddrIn}, {"addrlen", Dec}}, Capture: wire.CapSendto, Flags: on, FDs: first},
	{Name: "recvfrom", Nr: Numbers{45, 371, 207, 292}, Vector: 12, Network: true, Role: event.Receives | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"buf", BufOut}, {"len", ULong | AtReturn}, {"flags", MsgFlags | AtReturn}, {"src_addr", AddrRecv}, {"addrlen", AddrLenRecv}}, Capture: wire.CapRecvfrom, Flags: on, FDs: first},
	{Name: "shutdown", Nr: Numbers{48, 373, 210, 293}, Vector: 13, Network: true, Role: event.ShutsDown,
		Args: Args{{"sockfd", FD}, {"how", ShutHow}}, Capture: wire.CapNone, Flags: on, FDs: first},
	{Name: "setsockopt", Nr: Numbers{54, 366, 208, 294}, Vector: 14, Network: true, Role: event.SetsOption,
		Args: Args{{"sockfd", FD}, {"level", OptLevel}, {"optname", OptSetName}, {"optval", OptSet}, {"optlen", Dec}}, Capture: wire.CapOptSet, Flags: on, FDs: first},
	{Name: "getsockopt", Nr: Numbers{55, 365, 209, 295}, Vector: 15, Network: true, Role: event.GetsOption,
		Args: Args{{"sockfd", FD}, {"level", OptLevel}, {"optname", OptGetName}, {"optval", OptGet}, {"optlen", OptGetLen}}, Result: ResultOption, Capture: wire.CapOptGet, Flags: on, FDs: first},
	{Name: "sendmsg", Nr: Numbers{46, 370, 211, 296}, Vector: 16, Network: true, Role: event.Sends | event.SendsEmpty | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"msg", MsgIn}, {"flags", MsgFlags}}, Capture: wire.CapMsgIn, Flags: on, FDs: first},
	{Name: "recvmsg", Nr: Numbers{47, 372, 212, 297}, Vector: 17, Network: true, Role: event.Receives | event.CountsBytes,
		Args: Args{{"sockfd", FD}, {"msg", MsgOut}, {"flags", MsgFlags | AtReturn}}, Capture: wire.CapMsgOut, Flags: on, FDs: first},
	{Name: "accept4", Nr: Numbers{288, 364, 242, 366}, Vector: 18, Network: true, Role: event.Accepts,
		Args: Args{{"sockfd", FD}, {"addr", AddrOut}, {"addrlen", AddrLenOut}, {"flags", SockFlags | AtReturn}}, Result: ResultFD, Capture: wire.CapAddrOut, Flags: ret, FDs: first},
	{Name: "recvmmsg", Nr: Numbers{299, 337, 243, 365}, Vector: 19, Network: true, Role: event.Receives,
		Args: Args{{"sockfd", FD}, {"msgvec", MmsgOut}, {"vlen", UDec | AtReturn}, {"flags", MsgFlags | AtReturn}, {"timeout", Timespec | AtReturn}}, Result: ResultReceived, Capture: wire.CapMmsgOut, Flags: on, FDs: first},
	{Name: "recvmmsg_time64", Nr: Numbers{no, 417, no, 417}, Network: true, Role: event.Receives,
		Args: Args{{"sockfd", FD}, {"msgvec", MmsgOut}, {"vlen", UDec | AtReturn}, {"flags", MsgFlags | AtReturn}, {"timeout", Timespec64 | AtReturn}}, Result: ResultReceived64, Capture: wire.CapMmsgOut, Flags: on | wire.DescTime64, FDs: first},
	{Name: "sendmmsg", Nr: Numbers{307, 345, 269, 374}, Vector: 20, Network: true, Role: event.Sends,
		Args: Args{{"sockfd", FD}, {"msgvec", MmsgIn}, {"vlen", UDec | AtReturn}, {"flags", MsgFlags | AtReturn}}, Result: ResultSent, Capture: wire.CapMmsgIn, Flags: on, FDs: first},
	{Name: "sendfile", Nr: Numbers{40, 187, 71, 187}, Network: true, Unaudited: true, Role: event.Sends | event.CountsBytes,
		Args: Args{{"out_fd", FD}, {"in_fd", FD}, {"offset", OffsetInOut}, {"count", ULong | AtReturn}}, Capture: wire.CapSendfile, Flags: sock, FDs: firstTwo},
	{Name: "sendfile64", Nr: Numbers{no, 239, no, 239}, Network: true, Unaudited: true, Role: event.Sends | event.CountsBytes,
		Args: Args{{"out_fd", FD}, {"in_fd", FD}, {"offset", Offset64InOut}, {"count", ULong | AtReturn}}, Capture: wire.CapSendfile, Flags: sock | wire.DescTime64, FDs: firstTwo},
	{Name: "getpmsg", Nr: Numbers{181, 188, no, no}, Network: true, Unaudited: true,
		Args: Args{{"fildes", Hex}, {"ctlptr", Hex}, {"dataptr", Hex}, {"band", Hex}, {"flags", Hex}}, Capture: wire.CapNone, Flags: on, FDs: first},
	{Name: "putpmsg", Nr: Numbers{182, 189, no, no}, Network: true, Unaudited: true,
		Args: Args{{"fildes", Hex}, {"ctlptr", Hex}, {"dataptr", Hex}, {"band", Hex}, {"flags", Hex}}, Capture: wire.CapNone, Flags: on, FDs: first},

	{Name: "read", Nr: Numbers{0, 3, 63, 3}, Role: event.Receives | event.CountsBytes,
		Args: Args{{"fd", FD}, {"buf", BufOut}, {"count", ULong | AtReturn}}, Capture: wire.CapBufOut, Flags: sock, FDs: first},
	{Name: "write", Nr: Numbers{1, 4, 64, 4}, Role: event.Sends | event.CountsBytes,
		Args: Args{{"fd", FD}, {"buf", BufIn}, {"count", ULong}}, Capture: wire.CapBufIn, Flags: sock, FDs: first},
	{Name: "readv", Nr: Numbers{19, 145, 65, 145}, Role: event.Receives | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovOut}, {"iovcnt", ULong | AtReturn}}, Capture: wire.CapIovOut, Flags: sock, FDs: first},
	{Name: "writev", Nr: Numbers{20, 146, 66, 146}, Role: event.Sends | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovIn}, {"iovcnt", ULong}}, Capture: wire.CapIovIn, Flags: sock, FDs: first},
	{Name: "pread64", Nr: Numbers{17, 180, 67, 180}, Role: event.Receives | event.CountsBytes,
		Args: Args{{"fd", FD}, {"buf", BufOut}, {"count", ULong | AtReturn}, {"offset", Offset | AtReturn}}, Capture: wire.CapBufOut, Flags: sock, FDs: first},
	{Name: "pwrite64", Nr: Numbers{18, 181, 68, 181}, Role: event.Sends | event.CountsBytes,
		Args: Args{{"fd", FD}, {"buf", BufIn}, {"count", ULong}, {"offset", Offset}}, Capture: wire.CapBufIn, Flags: sock, FDs: first},
	{Name: "preadv", Nr: Numbers{295, 333, 69, 361}, Role: event.Receives | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovOut}, {"iovcnt", ULong | AtReturn}, {"offset", OffsetHalves | AtReturn}}, Capture: wire.CapIovOut, Flags: sock, FDs: first},
	{Name: "pwritev", Nr: Numbers{296, 334, 70, 362}, Role: event.Sends | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovIn}, {"iovcnt", ULong}, {"offset", OffsetHalves}}, Capture: wire.CapIovIn, Flags: sock, FDs: first},
	{Name: "preadv2", Nr: Numbers{327, 378, 286, 392}, Role: event.Receives | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovOut}, {"iovcnt", ULong | AtReturn}, {"offset", OffsetHalves | AtReturn}, {"flags", RWFlags | AtReturn}}, Capture: wire.CapIovOut, Flags: sock, FDs: first},
	{Name: "pwritev2", Nr: Numbers{328, 379, 287, 393}, Role: event.Sends | event.CountsBytes,
		Args: Args{{"fd", FD}, {"iov", IovIn}, {"iovcnt", ULong}, {"offset", OffsetHalves}, {"flags", RWFlags}}, Capture: wire.CapIovIn, Flags: sock, FDs: first},
	{Name: "splice", Nr: Numbers{275, 313, 76, 340}, Role: event.Splices,
		Args: Args{{"fd_in", FD}, {"off_in", OffsetSplice}, {"fd_out", FD}, {"off_out", OffsetSplice}, {"len", ULong}, {"flags", SpliceFlags}}, Result: ResultSplice, Capture: wire.CapSplice, Flags: sock, FDs: firstAndThird},
	{Name: "copy_file_range", Nr: Numbers{326, 377, 285, 391}, Role: event.Splices,
		Args: Args{{"fd_in", FD}, {"off_in", OffsetSplice}, {"fd_out", FD}, {"off_out", OffsetSplice}, {"size", ULong}, {"flags", UDec}}, Capture: wire.CapSplice, Flags: sock, FDs: firstAndThird},
	{Name: "tee", Nr: Numbers{276, 315, 77, 342},
		Args: Args{{"fd_in", FD}, {"fd_out", FD}, {"len", ULong}, {"flags", SpliceFlags}}, Capture: wire.CapNone, Flags: sock, FDs: firstTwo},

	{Name: "close", Nr: Numbers{3, 6, 57, 6}, Role: event.Closes,
		Args: Args{{"fd", FD}}, Capture: wire.CapNone, Flags: sock, FDs: first},
	{Name: "close_range", Nr: Numbers{436, 436, 436, 436}, Role: event.ClosesRange,
		Args: Args{{"first", UDec}, {"last", UDec}, {"flags", CloseRangeFlags}}, Capture: wire.CapNone, Flags: on, FDs: none},
	{Name: "dup", Nr: Numbers{32, 41, 23, 41}, Role: event.Duplicates,
		Args: Args{{"oldfd", FD}}, Result: ResultFD, Capture: wire.CapNone, Flags: retSck, FDs: first},
	{Name: "dup2", Nr: Numbers{33, 63, no, 63}, Role: event.Duplicates | event.Replaces,
		Args: Args{{"oldfd", FD}, {"newfd", FD}}, Result: ResultFD, Capture: wire.CapNone, Flags: retSck, FDs: firstTwo},
	{Name: "dup3", Nr: Numbers{292, 330, 24, 358}, Role: event.Duplicates | event.Replaces,
		Args: Args{{"oldfd", FD}, {"newfd", FD}, {"flags", OpenFlags}}, Result: ResultFD, Capture: wire.CapNone, Flags: retSck, FDs: firstTwo},
	{Name: "fcntl", Nr: Numbers{72, 55, 25, 55},
		Args: Args{{"fd", FD}, {"cmd", FcntlCmd}, {"arg", FcntlArg}}, Result: ResultFcntl, Capture: wire.CapFcntl, Flags: sock, FDs: first},
	{Name: "fcntl64", Nr: Numbers{no, 221, no, 221},
		Args: Args{{"fd", FD}, {"cmd", FcntlCmd}, {"arg", FcntlArg}}, Result: ResultFcntl, Capture: wire.CapFcntl, Flags: sock, FDs: first},
	{Name: "ioctl", Nr: Numbers{16, 54, 29, 54},
		Args: Args{{"fd", FD}, {"request", IoctlRequest}, {"argp", IoctlArg}}, Capture: wire.CapIoctl, Flags: sock, FDs: first},
	{Name: "pidfd_getfd", Nr: Numbers{438, 438, 438, 438},
		Args: Args{{"pidfd", FD}, {"targetfd", FD}, {"flags", HexFlags}}, Result: ResultFD, Capture: wire.CapNone, Flags: wire.DescOn | wire.DescRetfd | wire.DescRetsock, FDs: none},

	{Name: "poll", Nr: Numbers{7, 168, no, 168}, Role: event.Waits,
		Args: Args{{"fds", PollFDs}, {"nfds", UDec}, {"timeout", Dec}}, Result: ResultPoll, Capture: wire.CapPoll, Flags: on, FDs: none},
	{Name: "ppoll", Nr: Numbers{271, 309, 73, 336}, Role: event.Waits,
		Args: Args{{"fds", PollFDs}, {"nfds", UDec}, {"tmo_p", Timespec}, {"sigmask", SigSet}, {"sigsetsize", ULong}}, Result: ResultPpoll, Capture: wire.CapPoll, Flags: on | wire.DescTs3, FDs: none},
	{Name: "ppoll_time64", Nr: Numbers{no, 414, no, 414}, Role: event.Waits,
		Args: Args{{"fds", PollFDs}, {"nfds", UDec}, {"tmo_p", Timespec64}, {"sigmask", SigSet}, {"sigsetsize", ULong}}, Result: ResultPpoll64, Capture: wire.CapPoll, Flags: on | wire.DescTs3 | wire.DescTime64, FDs: none},
	{Name: "select", Nr: Numbers{23, 82, no, no}, Role: event.Waits,
		Args: Args{{"nfds", Dec}, {"readfds", FDSet}, {"writefds", FDSet}, {"exceptfds", FDSet}, {"timeout", Timeval}}, Result: ResultSelect, Capture: wire.CapSelect, Flags: on, FDs: none},
	{Name: "_newselect", Nr: Numbers{no, 142, no, 142}, Role: event.Waits,
		Args: Args{{"nfds", Dec}, {"readfds", FDSet}, {"writefds", FDSet}, {"exceptfds", FDSet}, {"timeout", Timeval}}, Result: ResultSelect, Capture: wire.CapSelect, Flags: on, FDs: none},
	{Name: "pselect6", Nr: Numbers{270, 308, 72, 335}, Role: event.Waits,
		Args: Args{{"nfds", Dec}, {"readfds", FDSet}, {"writefds", FDSet}, {"exceptfds", FDSet}, {"timeout", Timespec}, {"sigmask", SigSetPair}}, Result: ResultPselect, Capture: wire.CapSelect, Flags: on, FDs: none},
	{Name: "pselect6_time64", Nr: Numbers{no, 413, no, 413}, Role: event.Waits,
		Args: Args{{"nfds", Dec}, {"readfds", FDSet}, {"writefds", FDSet}, {"exceptfds", FDSet}, {"timeout", Timespec64}, {"sigmask", SigSetPair}}, Result: ResultPselect64, Capture: wire.CapSelect, Flags: on | wire.DescTime64, FDs: none},
	{Name: "epoll_create", Nr: Numbers{213, 254, no, 250},
		Args: Args{{"size", Dec}}, Result: ResultFD, Capture: wire.CapNone, Flags: on, FDs: none},
	{Name: "epoll_create1", Nr: Numbers{291, 329, 20, 357},
		Args: Args{{"flags", EpollFlags}}, Result: ResultFD, Capture: wire.CapNone, Flags: on, FDs: none},
	{Name: "epoll_ctl", Nr: Numbers{233, 255, 21, 251}, Role: event.Registers,
		Args: Args{{"epfd", FD}, {"op", EpollOp}, {"fd", FD}, {"event", EpollEvent}}, Capture: wire.CapEpollCtl, Flags: sock, FDs: third},
	{Name: "epoll_wait", Nr: Numbers{232, 256, no, 252}, Role: event.Waits | event.WaitsEpoll,
		Args: Args{{"epfd", FD}, {"events", EpollEvents}, {"maxevents", Dec | AtReturn}, {"timeout", Dec | AtReturn}}, Capture: wire.CapEpollWait, Flags: on, FDs: none},
	{Name: "epoll_pwait", Nr: Numbers{281, 319, 22, 346}, Role: event.Waits | event.WaitsEpoll,
		Args: Args{{"epfd", FD}, {"events", EpollEvents}, {"maxevents", Dec | AtReturn}, {"timeout", Dec | AtReturn}, {"sigmask", SigSet | AtReturn}, {"sigsetsize", ULong | AtReturn}}, Capture: wire.CapEpollWait, Flags: on, FDs: none},
	{Name: "restart_syscall", Nr: Numbers{219, 0, 128, 0},
		Args: Args{{"call", Resumed}}, Capture: wire.CapRestart, Flags: on, FDs: none},
	{Name: "epoll_pwait2", Nr: Numbers{441, 441, 441, 441}, Role: event.Waits | event.WaitsEpoll,
		Args: Args{{"epfd", FD}, {"events", EpollEvents}, {"maxevents", Dec | AtReturn}, {"timeout", Timespec64 | AtReturn}, {"sigmask", SigSet | AtReturn}, {"sigsetsize", ULong | AtReturn}}, Capture: wire.CapEpollWait, Flags: on | wire.DescTs4, FDs: none},

	{Name: "io_submit", Nr: Numbers{209, 248, 2, 246},
		Args: Args{{"ctx_id", Pointer}, {"nr", Dec}, {"iocbpp", IOCBs}}, Capture: wire.CapAioSubmit, Flags: on, FDs: none},
	{Name: "io_getevents", Nr: Numbers{208, 247, 4, 245},
		Args: Args{{"ctx_id", Pointer}, {"min_nr", Dec}, {"nr", Dec}, {"events", IOEvents}, {"timeout", Timespec | AtReturn}}, Capture: wire.CapAioEvents, Flags: on, FDs: none},
	{Name: "io_pgetevents", Nr: Numbers{333, 385, 292, 399},
		Args: Args{{"ctx_id", Pointer}, {"min_nr", Dec}, {"nr", Dec}, {"events", IOEvents}, {"timeout", Timespec | AtReturn}, {"usig", SigSetPair | AtReturn}}, Capture: wire.CapAioEvents, Flags: on, FDs: none},
	{Name: "io_pgetevents_time64", Nr: Numbers{no, 416, no, 416},
		Args: Args{{"ctx_id", Pointer}, {"min_nr", Dec}, {"nr", Dec}, {"events", IOEvents}, {"timeout", Timespec64 | AtReturn}, {"usig", SigSetPair | AtReturn}}, Capture: wire.CapAioEvents, Flags: on | wire.DescTime64, FDs: none},

	{Name: "io_uring_setup", Nr: Numbers{425, 425, 425, 425},
		Args: Args{{"entries", UDec}, {"params", UringParams}}, Result: ResultFD, Capture: wire.CapUringSetup, Flags: on, FDs: none},
	{Name: "io_uring_enter", Nr: Numbers{426, 426, 426, 426},
		Args: Args{{"fd", FD}, {"to_submit", UDec}, {"min_complete", UDec}, {"flags", UringEnterFlags}, {"argp", UringEnterArg}, {"argsz", ULong}}, Capture: wire.CapNone, Flags: on, FDs: none},
	{Name: "io_uring_register", Nr: Numbers{427, 427, 427, 427},
		Args: Args{{"fd", FD}, {"opcode", UringRegisterOp}, {"arg", Pointer}, {"nr_args", UDec}}, Capture: wire.CapNone, Flags: on, FDs: none},
}

// Multiplexed is socketcall(2) itself, for records without the number of the inner call. It
// is not in Table, for Find resolves socketcall(2) to the inner call.
var Multiplexed = Call{
	Name: "socketcall", Nr: Numbers{no, Socketcall, no, no}, Args: Args{{"call", SocketcallOp}, {"args", Pointer}}, FDs: none,
}

// unfollowed has the roles of calls that matter for sockets but are not traced. They occur
// in files of other tools.
var unfollowed = map[string]event.Role{
	"clone": event.Forks, "clone3": event.Forks, "fork": event.Forks, "vfork": event.Forks,
}

// X32 has the names of the calls whose x32 number differs from the x86_64 number
// (linux/arch/x86/entry/syscalls/syscall_64.tbl, abi x32).
var X32 = map[uint32]string{
	514: "ioctl", 515: "readv", 516: "writev", 517: "recvfrom", 518: "sendmsg",
	519: "recvmsg", 534: "preadv", 535: "pwritev", 537: "recvmmsg", 538: "sendmmsg",
	544: "io_submit", 541: "setsockopt", 542: "getsockopt", 546: "preadv2", 547: "pwritev2",
}
