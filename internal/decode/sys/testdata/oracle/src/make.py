#!/usr/bin/env python3
"""Make ../NAME-{amd64,i386}.txt again from NAME.c: ./make.py NAME [strace flags]

Each program makes calls with all their memory in one arena, and writes what
stood there before and after (h.h); strace 6.1 runs it, and its lines are put
beside the memory. Then `go test -run Oracle -update .` writes want lines where
pidwire's text is another: read them before you commit them. Needs gcc with
-m32, strace, and root for raw sockets. Ports, pids and interfaces in the files
are those of the machine that made them (newDecoder in oracle_test.go names
the interfaces).
"""
import os, re, subprocess, sys, tempfile

CALLS = ('%network,read,write,readv,writev,pread64,pwrite64,preadv,pwritev,preadv2,pwritev2,splice,tee,close,close_range,dup,dup2,dup3,fcntl,'
         'ioctl,pidfd_getfd,poll,ppoll,select,pselect6,epoll_create,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2,io_uring_setup,'
         'io_uring_enter,io_uring_register')

here = os.path.dirname(os.path.abspath(__file__))
name, flags = sys.argv[1], sys.argv[2:]
for arch, cc, more in ('amd64', [], ''), ('i386', ['-m32'], ',_newselect,/.*time64,fcntl64'):
    with tempfile.TemporaryDirectory() as tmp:
        prog, dump, log = (os.path.join(tmp, f) for f in ('prog', 'dump', 'log'))
        subprocess.check_call(['gcc', '-w', *cc, '-o', prog, os.path.join(here, name + '.c')])
        # In a network namespace of its own: among the calls are some that set
        # what an interface has, its MTU for one.
        subprocess.run(['unshare', '-n', 'strace', '-o', log, '-a1', '-e', 'trace=' + CALLS + more, '-e', 'signal=none', *flags, prog, dump], timeout=60)
        lines = [l.rstrip('\n') for l in open(log, errors='surrogateescape')]
        marks = [i for i, l in enumerate(lines) if l.startswith('write(999')]
        lines = [lines[i - 1] for i in marks[1:]]
        calls = ['call ' + r.rstrip('\n') for r in open(dump).read().split('\ncall ')[1:]]
        assert len(calls) == len(lines), (len(calls), len(lines))
        with open(os.path.join(here, '..', f'{name}-{arch}.txt'), 'w', errors='surrogateescape') as out:
            for c, l in zip(calls, lines):
                out.write(f'{c}\nline {l}\n\n')
        print(name, arch, len(calls), 'calls')
