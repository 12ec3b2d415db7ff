//go:build linux

package bpf

//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zsyscalls -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" syscalls ../../../bpf/syscalls.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zprocess -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" process ../../../bpf/process.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zsockets -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" sockets ../../../bpf/sockets.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zuring -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" uring ../../../bpf/uring.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zpackets -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" packets ../../../bpf/packets.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zdevice -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" device ../../../bpf/device.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zaudit -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" audit ../../../bpf/audit.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zblocked -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" blocked ../../../bpf/blocked.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zkernel -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" kernel ../../../bpf/kernel.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zpath -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" path ../../../bpf/path.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zwaits -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" waits ../../../bpf/waits.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem zsteps -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" steps ../../../bpf/steps.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package bpf -output-stem ztree -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf" tree ../../../bpf/tree.bpf.c
