package truss

// solarisErrors are the errors of Solaris and illumos (sys/errno.h).
var solarisErrors = [...]string{
	1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 8: "ENOEXEC",
	9: "EBADF", 10: "ECHILD", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 15: "ENOTBLK",
	16: "EBUSY", 17: "EEXIST", 18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL",
	23: "ENFILE", 24: "EMFILE", 25: "ENOTTY", 26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 29: "ESPIPE",
	30: "EROFS", 31: "EMLINK", 32: "EPIPE", 33: "EDOM", 34: "ERANGE", 35: "ENOMSG", 36: "EIDRM", 37: "ECHRNG",
	38: "EL2NSYNC", 39: "EL3HLT", 40: "EL3RST", 41: "ELNRNG", 42: "EUNATCH", 43: "ENOCSI", 44: "EL2HLT",
	45: "EDEADLK", 46: "ENOLCK", 47: "ECANCELED", 48: "ENOTSUP", 49: "EDQUOT", 50: "EBADE", 51: "EBADR",
	52: "EXFULL", 53: "ENOANO", 54: "EBADRQC", 55: "EBADSLT", 56: "EDEADLOCK", 57: "EBFONT", 58: "EOWNERDEAD",
	59: "ENOTRECOVERABLE", 60: "ENOSTR", 61: "ENODATA", 62: "ETIME", 63: "ENOSR", 64: "ENONET", 65: "ENOPKG",
	66: "EREMOTE", 67: "ENOLINK", 68: "EADV", 69: "ESRMNT", 70: "ECOMM", 71: "EPROTO", 72: "ELOCKUNMAPPED",
	73: "ENOTACTIVE", 74: "EMULTIHOP", 77: "EBADMSG", 78: "ENAMETOOLONG", 79: "EOVERFLOW", 80: "ENOTUNIQ",
	81: "EBADFD", 82: "EREMCHG", 83: "ELIBACC", 84: "ELIBBAD", 85: "ELIBSCN", 86: "ELIBMAX", 87: "ELIBEXEC",
	88: "EILSEQ", 89: "ENOSYS", 90: "ELOOP", 91: "ERESTART", 92: "ESTRPIPE", 93: "ENOTEMPTY", 94: "EUSERS",
	95: "ENOTSOCK", 96: "EDESTADDRREQ", 97: "EMSGSIZE", 98: "EPROTOTYPE", 99: "ENOPROTOOPT",
	120: "EPROTONOSUPPORT", 121: "ESOCKTNOSUPPORT", 122: "EOPNOTSUPP", 123: "EPFNOSUPPORT",
	124: "EAFNOSUPPORT", 125: "EADDRINUSE", 126: "EADDRNOTAVAIL", 127: "ENETDOWN", 128: "ENETUNREACH",
	129: "ENETRESET", 130: "ECONNABORTED", 131: "ECONNRESET", 132: "ENOBUFS", 133: "EISCONN", 134: "ENOTCONN",
	143: "ESHUTDOWN", 144: "ETOOMANYREFS", 145: "ETIMEDOUT", 146: "ECONNREFUSED", 147: "EHOSTDOWN",
	148: "EHOSTUNREACH", 149: "EALREADY", 150: "EINPROGRESS", 151: "ESTALE",
}

// aixErrors are those of AIX (sys/errno.h).
var aixErrors = [...]string{
	1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 8: "ENOEXEC",
	9: "EBADF", 10: "ECHILD", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 15: "ENOTBLK",
	16: "EBUSY", 17: "EEXIST", 18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL",
	23: "ENFILE", 24: "EMFILE", 25: "ENOTTY", 26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 29: "ESPIPE",
	30: "EROFS", 31: "EMLINK", 32: "EPIPE", 33: "EDOM", 34: "ERANGE", 35: "ENOMSG", 36: "EIDRM", 37: "ECHRNG",
	38: "EL2NSYNC", 39: "EL3HLT", 40: "EL3RST", 41: "ELNRNG", 42: "EUNATCH", 43: "ENOCSI", 44: "EL2HLT",
	45: "EDEADLK", 46: "ENOTREADY", 47: "EWRPROTECT", 48: "EFORMAT", 49: "ENOLCK", 50: "ENOCONNECT",
	52: "ESTALE", 53: "EDIST", 55: "EINPROGRESS", 56: "EALREADY", 57: "ENOTSOCK", 58: "EDESTADDRREQ",
	59: "EMSGSIZE", 60: "EPROTOTYPE", 61: "ENOPROTOOPT", 62: "EPROTONOSUPPORT", 63: "ESOCKTNOSUPPORT",
	64: "EOPNOTSUPP", 65: "EPFNOSUPPORT", 66: "EAFNOSUPPORT", 67: "EADDRINUSE", 68: "EADDRNOTAVAIL",
	69: "ENETDOWN", 70: "ENETUNREACH", 71: "ENETRESET", 72: "ECONNABORTED", 73: "ECONNRESET", 74: "ENOBUFS",
	75: "EISCONN", 76: "ENOTCONN", 77: "ESHUTDOWN", 78: "ETIMEDOUT", 79: "ECONNREFUSED", 80: "EHOSTDOWN",
	81: "EHOSTUNREACH", 82: "ERESTART", 83: "EPROCLIM", 84: "EUSERS", 85: "ELOOP", 86: "ENAMETOOLONG",
	88: "EDQUOT", 89: "ECORRUPT", 90: "ESYSERROR", 93: "EREMOTE", 94: "ENOTRECOVERABLE", 95: "EOWNERDEAD",
	109: "ENOSYS", 110: "EMEDIA", 111: "ESOFT", 112: "ENOATTR", 113: "ESAD", 114: "ENOTRUST",
	115: "ETOOMANYREFS", 116: "EILSEQ", 117: "ECANCELED", 118: "ENOSR", 119: "ETIME", 120: "EBADMSG",
	121: "EPROTO", 122: "ENODATA", 123: "ENOSTR", 124: "ENOTSUP", 125: "EMULTIHOP", 126: "ENOLINK",
	127: "EOVERFLOW",
}

// freebsdErrors are those of FreeBSD (errno(2)), with the texts of its strerror(3).
var freebsdErrors = [...]struct{ name, text string }{
	1:  {"EPERM", "Operation not permitted"},
	2:  {"ENOENT", "No such file or directory"},
	3:  {"ESRCH", "No such process"},
	4:  {"EINTR", "Interrupted system call"},
	5:  {"EIO", "Input/output error"},
	6:  {"ENXIO", "Device not configured"},
	7:  {"E2BIG", "Argument list too long"},
	8:  {"ENOEXEC", "Exec format error"},
	9:  {"EBADF", "Bad file descriptor"},
	10: {"ECHILD", "No child processes"},
	11: {"EDEADLK", "Resource deadlock avoided"},
	12: {"ENOMEM", "Cannot allocate memory"},
	13: {"EACCES", "Permission denied"},
	14: {"EFAULT", "Bad address"},
	15: {"ENOTBLK", "Block device required"},
	16: {"EBUSY", "Device busy"},
	17: {"EEXIST", "File exists"},
	18: {"EXDEV", "Cross-device link"},
	19: {"ENODEV", "Operation not supported by device"},
	20: {"ENOTDIR", "Not a directory"},
	21: {"EISDIR", "Is a directory"},
	22: {"EINVAL", "Invalid argument"},
	23: {"ENFILE", "Too many open files in system"},
	24: {"EMFILE", "Too many open files"},
	25: {"ENOTTY", "Inappropriate ioctl for device"},
	26: {"ETXTBSY", "Text file busy"},
	27: {"EFBIG", "File too large"},
	28: {"ENOSPC", "No space left on device"},
	29: {"ESPIPE", "Illegal seek"},
	30: {"EROFS", "Read-only file system"},
	31: {"EMLINK", "Too many links"},
	32: {"EPIPE", "Broken pipe"},
	33: {"EDOM", "Numerical argument out of domain"},
	34: {"ERANGE", "Result too large"},
	35: {"EAGAIN", "Resource temporarily unavailable"},
	36: {"EINPROGRESS", "Operation now in progress"},
	37: {"EALREADY", "Operation already in progress"},
	38: {"ENOTSOCK", "Socket operation on non-socket"},
	39: {"EDESTADDRREQ", "Destination address required"},
	40: {"EMSGSIZE", "Message too long"},
	41: {"EPROTOTYPE", "Protocol wrong type for socket"},
	42: {"ENOPROTOOPT", "Protocol not available"},
	43: {"EPROTONOSUPPORT", "Protocol not supported"},
	44: {"ESOCKTNOSUPPORT", "Socket type not supported"},
	45: {"EOPNOTSUPP", "Operation not supported"},
	46: {"EPFNOSUPPORT", "Protocol family not supported"},
	47: {"EAFNOSUPPORT", "Address family not supported by protocol family"},
	48: {"EADDRINUSE", "Address already in use"},
	49: {"EADDRNOTAVAIL", "Can't assign requested address"},
	50: {"ENETDOWN", "Network is down"},
	51: {"ENETUNREACH", "Network is unreachable"},
	52: {"ENETRESET", "Network dropped connection on reset"},
	53: {"ECONNABORTED", "Software caused connection abort"},
	54: {"ECONNRESET", "Connection reset by peer"},
	55: {"ENOBUFS", "No buffer space available"},
	56: {"EISCONN", "Socket is already connected"},
	57: {"ENOTCONN", "Socket is not connected"},
	58: {"ESHUTDOWN", "Can't send after socket shutdown"},
	59: {"ETOOMANYREFS", "Too many references: can't splice"},
	60: {"ETIMEDOUT", "Operation timed out"},
	61: {"ECONNREFUSED", "Connection refused"},
	62: {"ELOOP", "Too many levels of symbolic links"},
	63: {"ENAMETOOLONG", "File name too long"},
	64: {"EHOSTDOWN", "Host is down"},
	65: {"EHOSTUNREACH", "No route to host"},
	66: {"ENOTEMPTY", "Directory not empty"},
	67: {"EPROCLIM", "Too many processes"},
	68: {"EUSERS", "Too many users"},
	69: {"EDQUOT", "Disc quota exceeded"},
	70: {"ESTALE", "Stale NFS file handle"},
	71: {"EREMOTE", "Too many levels of remote in path"},
	72: {"EBADRPC", "RPC struct is bad"},
	73: {"ERPCMISMATCH", "RPC version wrong"},
	74: {"EPROGUNAVAIL", "RPC prog. not avail"},
	75: {"EPROGMISMATCH", "Program version wrong"},
	76: {"EPROCUNAVAIL", "Bad procedure for program"},
	77: {"ENOLCK", "No locks available"},
	78: {"ENOSYS", "Function not implemented"},
	79: {"EFTYPE", "Inappropriate file type or format"},
	80: {"EAUTH", "Authentication error"},
	81: {"ENEEDAUTH", "Need authenticator"},
	82: {"EIDRM", "Identifier removed"},
	83: {"ENOMSG", "No message of desired type"},
	84: {"EOVERFLOW", "Value too large to be stored in data type"},
	85: {"ECANCELED", "Operation canceled"},
	86: {"EILSEQ", "Illegal byte sequence"},
	87: {"ENOATTR", "Attribute not found"},
	88: {"EDOOFUS", "Programming error"},
	89: {"EBADMSG", "Bad message"},
	90: {"EMULTIHOP", "Multihop attempted"},
	91: {"ENOLINK", "Link has been severed"},
	92: {"EPROTO", "Protocol error"},
	93: {"ENOTCAPABLE", "Capabilities insufficient"},
	94: {"ECAPMODE", "Not permitted in capability mode"},
	95: {"ENOTRECOVERABLE", "State not recoverable"},
	96: {"EOWNERDEAD", "Previous owner died"},
	97: {"EINTEGRITY", "Integrity check failed"},
}

var freebsdTexts = func() map[string]int64 {
	m := make(map[string]int64, len(freebsdErrors))
	for n, e := range freebsdErrors {
		if e.text != "" {
			m[e.text] = int64(n)
		}
	}
	return m
}()

// ErrnoName returns the name of an error by its number on a system: EINPROGRESS is 150 on Solaris,
// 55 on AIX and 36 on FreeBSD. It returns "" for an unknown number, and for flavor Any.
func ErrnoName(f Flavor, num int64) string {
	switch {
	case num <= 0:
	case f == Solaris && num < int64(len(solarisErrors)):
		return solarisErrors[num]
	case f == AIX && num < int64(len(aixErrors)):
		return aixErrors[num]
	case f == FreeBSD && num < int64(len(freebsdErrors)):
		return freebsdErrors[num].name
	}
	return ""
}

// freebsdErrno returns the name of an error that FreeBSD printed with its text. The text takes
// precedence over the number, which for a Linux process is the one of Linux.
func freebsdErrno(num int64, text []byte) string {
	if n, ok := freebsdTexts[string(text)]; ok {
		num = n
	}
	return ErrnoName(FreeBSD, num)
}
