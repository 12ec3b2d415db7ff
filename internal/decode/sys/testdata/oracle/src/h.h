#define _GNU_SOURCE
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/un.h>
#include <unistd.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/epoll.h>
#include <stdio.h>
#include <stdarg.h>
#include <errno.h>
#include <sys/uio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <linux/filter.h>
#define ABASE 0x10000000UL
#define ASIZE 0x10000
static unsigned char *A=(void*)ABASE; static size_t used; static unsigned char B0[ASIZE],B1[ASIZE];
static struct{int fam,type,proto;} F[2000];
static char *O; static size_t on;
static void outf(const char*f,...){va_list a;va_start(a,f);on+=vsprintf(O+on,f,a);va_end(a);}
static void flush(void){syscall(SYS_write,999,O,on);on=0;}
static void init(const char*p){int fd=open(p,O_WRONLY|O_CREAT|O_TRUNC,0644);syscall(SYS_dup3,fd,999,0);close(fd);
 mmap(A,ASIZE,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED,-1,0);O=malloc(1<<20);outf("# start\n");flush();}
// allocate in the arena
static void *N(size_t n){void*p=A+used;memset(p,0,n);used+=(n+15)&~15;return p;}
static void *P(const void*d,size_t n){void*p=N(n);memcpy(p,d,n);return p;}
#define S(s) P(s,sizeof(s)-1)
// at the end of the arena: what lies behind faults
static void *T(const void*d,size_t n){void*p=A+ASIZE-n;memcpy(p,d,n);used=ASIZE;return p;}
static void dump(const char*w,unsigned char*b,size_t from,size_t n){outf("%s %lx ",w,ABASE+from);for(size_t i=0;i<n;i++)outf("%02x",b[from+i]);outf("\n");}
static long C(int nr,...){
 unsigned long a[6];va_list v;va_start(v,nr);for(int i=0;i<6;i++)a[i]=va_arg(v,unsigned long);va_end(v);
 memcpy(B0,A,ASIZE);
 long r=syscall(nr,a[0],a[1],a[2],a[3],a[4],a[5]);int e=errno;
 memcpy(B1,A,ASIZE);
 long ret=r==-1?-e:r;
 if(nr==SYS_socket&&r>=0&&r<2000){F[r].fam=a[0];F[r].type=a[1]&15;F[r].proto=a[2];}
 outf("call %s %d 0 %ld %lx %lx %lx %lx %lx %lx\n",sizeof(long)==8?"x86_64":"i386",nr,ret,a[0],a[1],a[2],a[3],a[4],a[5]);
 if(a[0]<2000&&F[a[0]].fam)outf("sock %ld %d %d %d\n",a[0],F[a[0]].fam,F[a[0]].type,F[a[0]].proto);
 size_t from=0,n=used;
 if(used==ASIZE){ for(from=0;from<ASIZE-8192&&!B0[from]&&!B1[from];from+=16); n=ASIZE-from;
   if(from>0) {} }
 if(n){ if(!memcmp(B0+from,B1+from,n))dump("both",B0,from,n);else{dump("enter",B0,from,n);dump("exit",B1,from,n);} }
 memset(A,0,used<ASIZE?used:ASIZE);used=0;flush();errno=e;return r;}
#define c(nr,...) C(SYS_##nr,##__VA_ARGS__,0L,0L,0L,0L,0L,0L)
#define L(x) ((long)(x))
