#include "h.h"
#include <signal.h>
#ifndef SYS_pselect6
#endif
static void *PF(int n,...){struct pollfd p[64];va_list v;va_start(v,n);for(int i=0;i<n;i++){p[i].fd=va_arg(v,int);p[i].events=va_arg(v,int);p[i].revents=0;}return P(p,n*sizeof *p);}
static void *FS(int n,...){fd_set s;FD_ZERO(&s);va_list v;va_start(v,n);for(int i=0;i<n;i++)FD_SET(va_arg(v,int),&s);return P(&s,128);}
static void *TS(long a,long b){long t[2]={a,b};return P(t,sizeof t);}
static void *T6(long long a,long long b){long long t[2]={a,b};return P(t,sizeof t);}
static void *SS(unsigned long long x){return P(&x,8);}
static void *IF(const char*n){struct ifreq r;memset(&r,0,sizeof r);strncpy(r.ifr_name,n,16);return P(&r,sizeof r);}
#ifdef SYS__newselect
#undef SYS_select
#define SYS_select SYS__newselect
#endif
int main(int ac,char**av){init(av[1]);signal(SIGIO,SIG_IGN);signal(SIGUSR1,SIG_IGN);
 int sv[2];socketpair(AF_UNIX,SOCK_STREAM,0,sv);write(sv[0],"abcdef",6);int c=sv[1],o=sv[0];
 int us=socket(AF_INET,SOCK_DGRAM,0);
 c(poll,PF(3,c,POLLIN,us,POLLIN|POLLOUT|POLLPRI,-1,0x4000),3,100);c(poll,PF(1,us,POLLIN),1,0);c(poll,PF(1,us,0),0,0);c(poll,8L,1,0);c(poll,0L,0,0);c(poll,PF(2,999,0,c,POLLIN|POLLRDHUP|POLLRDNORM),2,-1L);c(poll,8L,0,0);c(poll,0L,5,0);
 {struct pollfd p[40]={0};for(int i=0;i<40;i++){p[i].fd=c;p[i].events=POLLIN;}c(poll,P(p,sizeof p),40,0);c(poll,T(p,8),2,0);}
 c(ppoll,PF(1,c,POLLIN),1,TS(1,500),SS(2|(1<<9)),8L);c(ppoll,PF(1,us,POLLIN),1,TS(0,500),0L,8L);c(ppoll,PF(1,c,POLLIN),1,0L,0L,8L);c(ppoll,PF(1,c,POLLIN),1,8L,0L,8L);c(ppoll,PF(1,c,POLLIN),1,TS(-1,5),8L,8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(~0ULL),8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(~4ULL),8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(5),7L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(0),8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(0x8000000380000000ULL),8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(0xffffffff),8L);c(ppoll,PF(1,c,POLLIN),1,TS(1,5),SS(0xfffffffffffULL),8L);
 c(select,us+1,FS(2,c,us),FS(1,us),0L,TS(1,5));c(select,us+1,FS(1,us),0L,0L,TS(0,5));c(select,us+1,FS(0),FS(0),FS(0),TS(0,0));c(select,100,FS(1,99),0L,0L,TS(0,0));c(select,0,0L,0L,0L,TS(0,5));c(select,0,FS(1,1),0L,0L,TS(0,5));c(select,-1L,FS(1,1),0L,0L,TS(0,5));c(select,5,8L,0L,0L,TS(0,5));c(select,us+1,FS(2,c,us),FS(1,us),FS(1,us),0L);c(select,us+1,FS(2,c,us),0L,0L,8L);c(select,us+1,FS(2,c,us),0L,0L,TS(-1,5));c(select,1024,FS(2,c,1000),0L,0L,TS(0,0));
 {void*ss=SS(2);unsigned long sp[2]={(unsigned long)ss,8};c(pselect6,us+1,FS(1,c),0L,0L,TS(1,500),P(sp,sizeof sp));}
 {unsigned long sp[2]={0,8};c(pselect6,us+1,FS(1,us),FS(1,us),0L,TS(1,0),P(sp,sizeof sp));c(pselect6,us+1,FS(1,us),0L,0L,TS(0,500),0L);c(pselect6,us+1,FS(1,us),0L,0L,TS(0,500),8L);}
#ifdef SYS_pselect6_time64
 c(pselect6_time64,us+1,FS(1,c),0L,0L,T6(1,500),0L);c(ppoll_time64,PF(1,c,POLLIN),1,T6(1,500),0L,8L);c(ppoll_time64,PF(1,us,POLLIN),1,T6(0,500),0L,8L);
#endif
 int ep=c(epoll_create1,EPOLL_CLOEXEC);c(epoll_create1,0);c(epoll_create1,5);c(epoll_create,5);c(epoll_create,-1L);
 struct epoll_event ev={EPOLLIN|EPOLLET,{.u64=0x1234567887654321ULL}};
 c(epoll_ctl,ep,EPOLL_CTL_ADD,c,P(&ev,12));c(epoll_ctl,ep,9,c,P(&ev,12));c(epoll_ctl,ep,EPOLL_CTL_DEL,us,P(&ev,12));c(epoll_ctl,ep,EPOLL_CTL_DEL,us,0L);c(epoll_ctl,ep,EPOLL_CTL_MOD,us,8L);ev.events=0;ev.data.u64=-1;c(epoll_ctl,ep,EPOLL_CTL_MOD,c,P(&ev,12));ev.events=EPOLLIN|0x80000;c(epoll_ctl,ep,EPOLL_CTL_MOD,c,P(&ev,12));
 c(epoll_wait,ep,N(48),4,100);c(epoll_wait,ep,N(48),0,100);ep=dup(ep);c(epoll_wait,99,N(48),4,-1L);c(epoll_ctl,ep,EPOLL_CTL_DEL,c,P(&ev,12));c(epoll_wait,ep,N(48),4,0);c(epoll_pwait,ep,N(48),4,0,SS(2),8L);c(epoll_pwait,ep,N(48),4,0,0L,8L);c(epoll_wait,ep,8L,4,0);
 c(epoll_pwait2,ep,N(48),4,T6(0,5),0L,8L);ev.events=EPOLLIN;epoll_ctl(ep,EPOLL_CTL_ADD,c,&ev);c(epoll_pwait2,ep,N(48),4,T6(1,5),SS(2),8L);
 // fcntl
#ifdef SYS_fcntl64
#define FC fcntl64
#define X(...) c(fcntl64,__VA_ARGS__)
#else
#define X(...) c(fcntl,__VA_ARGS__)
#endif
 X(c,F_GETFL);X(c,F_SETFL,O_RDWR|O_NONBLOCK);X(c,F_GETFL);X(c,F_SETFL,0);X(c,F_SETFL,O_NONBLOCK|O_ASYNC|O_APPEND);X(c,F_GETFD);X(c,F_SETFD,1);X(c,F_GETFD);X(c,F_SETFD,0);X(c,F_SETFD,7);X(c,F_DUPFD,20);X(c,F_DUPFD_CLOEXEC,20);X(c,F_SETOWN,getpid());X(c,F_GETOWN);X(c,F_SETOWN,-2L);X(c,777,5);X(99,F_GETFL);X(99,F_GETFD);X(c,F_SETSIG,10);X(c,F_GETSIG);X(c,F_SETSIG,0);X(c,F_GETSIG);X(c,F_SETSIG,99);
 {int fo[2]={F_OWNER_PID,getpid()};X(c,F_SETOWN_EX,P(fo,8));X(c,F_GETOWN_EX,N(8));X(c,F_GETOWN_EX,8L);X(c,F_SETOWN_EX,8L);X(99,F_GETOWN_EX,N(8));}X(c,F_GETLEASE);X(c,F_SETLEASE,1);X(c,F_GETPIPE_SZ);X(c,F_SETPIPE_SZ,4096);X(c,F_ADD_SEALS,1);X(c,F_GET_SEALS);X(c,F_NOTIFY,5);X(c,1027,5);X(c,1035,8L);
 c(dup,c);c(dup,99);c(dup2,c,50);c(dup3,c,51,O_CLOEXEC);c(dup3,c,51,O_CLOEXEC|1);c(close_range,50,51,0);c(close_range,70,71,CLOSE_RANGE_CLOEXEC|8);c(close_range,1000,-1L,2);
 int n;c(ioctl,c,FIONREAD,N(4));n=1;c(ioctl,c,FIONBIO,P(&n,4));c(ioctl,c,FIONBIO,8L);c(ioctl,c,0x5411,N(4));c(ioctl,c,FIOASYNC,P(&n,4));c(ioctl,c,FIOCLEX);c(ioctl,99,FIONREAD,N(4));c(ioctl,c,FIONREAD,8L);c(ioctl,c,0x5401,N(64));c(ioctl,c,0x5413,N(8));
 unsigned long rq[]={SIOCGIFFLAGS,SIOCGIFADDR,SIOCGIFINDEX,SIOCGIFMTU,SIOCGIFHWADDR,SIOCGIFNETMASK,SIOCGIFBRDADDR,SIOCGIFDSTADDR,SIOCGIFMETRIC,SIOCGIFTXQLEN,SIOCGIFMAP,SIOCGIFSLAVE,SIOCSIFMTU,SIOCSIFFLAGS*0+SIOCSIFMETRIC,SIOCADDMULTI,SIOCGIFNAME};
 for(int i=0;i<16;i++){c(ioctl,us,rq[i],rq[i]==SIOCGIFNAME?P("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",40):IF("lo"));c(ioctl,us,rq[i],IF("nosuch"));}
 c(ioctl,us,SIOCGIFFLAGS,8L);c(ioctl,us,SIOCGIFADDR,0L);c(ioctl,us,SIOCSIFADDR,IF("nosuch"));c(ioctl,us,SIOCSIFHWADDR,IF("nosuch"));c(ioctl,us,SIOCSIFNAME,IF("nosuch"));c(ioctl,us,SIOCSIFFLAGS,IF("nosuchnosuchnosuch"));
 c(ioctl,us,0x8905,N(4));c(ioctl,us,0x8946,IF("lo"));c(ioctl,us,0x8906,N(16));c(ioctl,us,0x8907,N(16));c(ioctl,us,0x80108906,N(16));c(ioctl,us,0x9999,7L);c(ioctl,us,0xc0186201,7L);c(ioctl,us,0x8947,IF("lo"));c(ioctl,us,0x89a0,IF("lo"));c(ioctl,us,0x894b,N(4));c(ioctl,us,0x8902,P(&n,4));c(ioctl,us,0x8904,N(4));c(ioctl,us,0x8901,P(&n,4));c(ioctl,us,0x8903,N(4));c(ioctl,us,0x7b9,N(4));c(ioctl,us,0x890b,N(120));c(ioctl,us,0x8953,N(32));
 {struct ifconf ic;ic.ifc_len=400;ic.ifc_buf=N(400);c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));ic.ifc_len=40;ic.ifc_buf=N(400);c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));ic.ifc_buf=0;c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));ic.ifc_len=13;ic.ifc_buf=N(400);c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));ic.ifc_buf=(void*)8;ic.ifc_len=400;c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));c(ioctl,us,SIOCGIFCONF,8L);ic.ifc_len=-1;ic.ifc_buf=N(400);c(ioctl,us,SIOCGIFCONF,P(&ic,sizeof ic));}
 // moves
 int fd=open("/etc/passwd",0);long off=5;long long off8=5;
 c(sendfile,o,fd,P(&off,sizeof off),10L);c(sendfile,o,fd,0L,10L);c(sendfile,o,fd,8L,10L);c(sendfile,99,fd,P(&off,sizeof off),10L);c(sendfile,o,fd,P(&off,sizeof off),0L);
#ifdef SYS_sendfile64
 c(sendfile64,o,fd,P(&off8,8),10L);c(sendfile64,99,fd,P(&off8,8),10L);
#endif
 int pp[2];pipe(pp);write(pp[1],"0123456789",10);c(splice,pp[0],0L,o,0L,5L,SPLICE_F_MOVE|64);c(splice,fd,P(&off8,8),pp[1],0L,5L,SPLICE_F_NONBLOCK|SPLICE_F_MORE);c(splice,pp[0],0L,o,P(&off8,8),5L,0);c(splice,c,8L,o,8L,5L,0);c(tee,pp[0],o,5L,SPLICE_F_NONBLOCK);
 c(pidfd_getfd,5,6,0);c(pidfd_getfd,5,6,3);
 c(io_uring_setup,8,N(120));c(io_uring_setup,0,0L);{int p[30]={0};p[2]=2|4|0x10000000;p[3]=1;p[4]=100;c(io_uring_setup,4,P(p,120));p[2]=32;p[6]=9;c(io_uring_setup,4,P(p,120));}
 c(io_uring_enter,3,1,1,1,0L,8L);c(io_uring_enter,3,1,1,9|0x100,8L,24L);c(io_uring_enter,3,1,1,0,SS(2),8L);c(io_uring_register,99,2,0L,1);c(io_uring_register,99,77,0L,1);c(io_uring_register,99,1,0L,0);
 syscall(SYS_close,999*0+998);
#ifdef SYS_getpmsg
 c(getpmsg,1L,2L,3L,4L,5L);c(putpmsg,1L,2L,3L,4L,5L);
#endif
}
