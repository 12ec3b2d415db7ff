#include "h.h"
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <linux/if_alg.h>
int main(int ac,char**av){ init(av[1]);
 int s=c(socket,AF_INET,SOCK_STREAM|SOCK_CLOEXEC,IPPROTO_TCP);
 c(socket,AF_INET,SOCK_STREAM,0); c(socket,99,1234,77); c(socket,AF_INET,SOCK_RAW,199); c(socket,AF_UNIX,SOCK_DGRAM|SOCK_NONBLOCK,3); c(socket,AF_NETLINK,SOCK_RAW,0); c(socket,AF_NETLINK,SOCK_RAW,77); c(socket,AF_PACKET,SOCK_RAW,htons(3)); c(socket,AF_PACKET,SOCK_RAW,htons(0x1234));
 c(socket,AF_BLUETOOTH,SOCK_RAW,1);c(socket,AF_CAN,SOCK_RAW,1);c(socket,AF_INET6,SOCK_DGRAM,17);c(socket,AF_VSOCK,SOCK_STREAM,0);c(socket,AF_UNIX,0,0);c(socket,AF_UNIX,7|SOCK_CLOEXEC,0);c(socket,-1L,-1L,-1L);c(socket,AF_PACKET,3,0x12345678);c(socket,AF_SMC,1,1);c(socket,AF_KCM,1,0);c(socket,AF_INET,1,262);
 int ls=c(socket,AF_INET,SOCK_STREAM,0);
 struct sockaddr_in a={.sin_family=AF_INET,.sin_port=0,.sin_addr={htonl(INADDR_LOOPBACK)}};
 c(bind,ls,P(&a,16),16); c(listen,ls,5);c(listen,ls,-1L);
 struct sockaddr_storage ss={0}; socklen_t l=128;
 char*sp=N(128);int*lp=P(&l,4); c(getsockname,ls,sp,lp); l=16;getsockname(ls,(void*)&a,&l);
 c(connect,s,P(&a,16),16);
 l=128; sp=N(128);lp=P(&l,4);
#ifdef SYS_accept
 int cc=c(accept,ls,sp,lp);
#else
 int cc=c(accept4,ls,sp,lp,0);
#endif
 int bad=99;l=16;
 sp=N(128);lp=P(&l,4);c(accept4,bad,sp,lp,0); l=5;sp=N(128);lp=P(&l,4); c(accept4,bad,sp,lp,SOCK_CLOEXEC|1); c(accept4,bad,0L,0L,0); c(accept4,bad,8L,8L,SOCK_NONBLOCK);
 int lens[]={5,0,-1,2,3,15,16,17,200};
 for(int i=0;i<9;i++){l=lens[i];sp=N(128);lp=P(&l,4); c(getsockname,s,sp,lp);}
 l=16;lp=P(&l,4);c(getpeername,s,8L,lp); c(getpeername,s,0L,8L);
 sp=N(128);l=16;lp=P(&l,4);c(getpeername,ls,sp,lp);
 // addresses
#define AD(...) do{unsigned char x[]={__VA_ARGS__};for(size_t n=0;n<=sizeof x;n++)if(n<4||n>=sizeof x-1||n%4==0){void*p=P(x,sizeof x);c(connect,bad,p,n);}}while(0)
 AD(2,0,0,80,1,2,3,4,0,0,0,0,0,0,0,0,9);
 AD(10,0,0,80,0,0,0,7,0xfe,0x80,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,0,0,0,5);
 AD(10,0,0,80,0,0,0,7,0x20,1,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,0,0,0);
 AD(10,0,0,80,0,0,0,7,0xff,2,0,0,0,0,0,0,0,0,0,0,0,0,0,1,99,0,0,0);
 AD(10,0,0,80,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0xff,0xff,1,2,3,4,0,0,0,0);
 AD(10,0,0,80,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,3,4,1,0,0,0);
 AD(1,0,'/','t','m','p','/','x',0,'y'); AD(1,0,0,'a','b',0,'c',0); AD(1,0,'a','"',1,'8'); AD(1,0,0);AD(1,0,'a');
 {struct sockaddr_un u={.sun_family=1};memset(u.sun_path,'x',108);c(connect,bad,P(&u,110),110);u.sun_path[0]=0;c(connect,bad,P(&u,110),110);char big[200];memset(big,'y',200);memcpy(big,&u,2);c(connect,bad,P(big,200),150);c(connect,bad,P(big,200),112);c(connect,bad,P(big,200),111);}
 AD(16,0,0,0,1,0,0,0,2,0,0,0); AD(16,0,5,1,255,255,255,255,2,0,0,0x80);
 AD(17,0,8,6,1,0,0,0,1,0,4,6,0,0xa,0xb,0xc,0xd,0xe,0,0); AD(17,0,0x88,0x99,0,0,0,0,0xff,0xff,9,9,0,0xa,0xb,0xc,0xd,0xe,0,0);
 AD(40,0,0,0,5,0,0,0,2,0,0,0,0,0,0,0); AD(40,0,1,2,255,255,255,255,255,255,255,255,1,0,0,0); AD(40,0,1,2,255,255,255,255,5,0,0,0,3,4,5,6);
 AD(31,0,1,0,1,0); AD(31,0,1,2,3,4,5,6); AD(31,0,1,2,3,4,5,6,7,0); AD(31,0,1,0x10,1,2,3,4,5,6,4,0,1,0);AD(31,0,1,0x10,1,2,3,4,5,6,0x40,0);
 {struct sockaddr_alg x={.salg_family=38,.salg_type="hash",.salg_feat=0x10,.salg_mask=0x8000,.salg_name="sha1"};c(connect,bad,P(&x,sizeof x),sizeof x);c(connect,bad,P(&x,sizeof x),40);memset(x.salg_type,'a',14);memset(x.salg_name,'b',64);c(connect,bad,P(&x,sizeof x),sizeof x);}
 AD(44,0,1,0,1,0,0,0,2,0,0,0,3,0,0,0); AD(30,0,1,1,1,0,0,0,2,0,0,0,3,0,0,0); AD(30,0,2,2,1,0,0,0,2,0,0,0,3,0,0,0);AD(30,0,3,3,1,0,0,0,2,0,0,0,3,0,0,0);AD(30,0,9,9,1,0,0,0,2,0,0,0,3,0,0,0);
 AD(42,0,0,0,1,0,0,0,2,0,0,0); AD(39,0,0,0,1,0,0,0,2,0,0,0,3,0,0,0); AD(45,0,0,0,1,0,0,0,8,1,2,0);
 AD(3,0,'a'<<1,'A'<<1,'B'<<1,' '<<1,' '<<1,' '<<1,2,0,0,0,1,0,0,0); AD(3,0,'C'<<1,'A'<<1,'B'<<1,' '<<1,' '<<1,' '<<1,2,0,0,0,1,0,0,0);
 AD(4,0,1,2,0,0,0,5,1,2,3,4,5,6,7,0); AD(9,0,'1','2','3','4',0,0,0,0,0,0,0,0,0,0,0,0);
 AD(33,0,1,0,2,0,16,0,2,0,0,80,1,2,3,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0); AD(36,0,0,0,2,0,0,0,1,2,0,0,3,4,0,0,0,0,0,0);
 AD(29,0,0,0,1,0,0,0,1,2,3,4,5,6,7,8); AD(0,0,1,2,3,4,5,6); AD(99,0,1,2,3,4,5,6); AD(24,0,0,0,0,0,1,2,3,4,5,6);AD(21,0,0,80,1,2,3,4,0,0,0,0,0,0,0,0);AD(43,0,0,80,1,2,3,4,0,0,0,0,0,0,0,0);
 // data
 c(sendto,s,S("hel\0001lo\1\n\r\t\v\f\e\"\\\377 9\0"),22L,MSG_NOSIGNAL,0L,0L);
 c(sendto,s,S("0123456789012345678901234567890123456789"),40L,0x80000000L|MSG_MORE,P(&a,16),16);
 c(sendto,s,S("0123456789012345678901234567890123456789"),32L,0x10000000,P(&a,16),5);
 c(sendto,s,S("0123456789012345678901234567890\1"),32L,0x10000000,0L,0L);
 c(sendto,s,S("012345678901234567890123456789\0012"),31L,0x10000000,0L,0L);
 c(sendto,s,S("012345678901234567890123456789\1\0012"),33L,0x10000000,0L,0L);
 c(sendto,s,8L,32L,0,8L,5L); c(sendto,bad,S(""),0L,0,S("\0\0"),0L); c(sendto,bad,0L,5L,0,0L,5L);c(sendto,bad,0L,5L,-1L,S("abcdefgh"),1L);c(sendto,bad,0L,-1L,0,S("abcdefgh"),-1L);c(sendto,bad,T("abcd",4),8L,0,0L,0L);
 for(int i=0;i<4;i++){l=i==0?-1:100;char*bb=N(200);sp=N(128);lp=P(&l,4); c(recvfrom,cc,bb,i<2?200L:5L,MSG_DONTWAIT|(i==2?MSG_PEEK:0),sp,lp);}
 c(read,cc,N(10),10L);c(read,cc,N(10),0L);c(read,bad,N(10),10L);c(read,bad,0L,10L); c(write,cc,S("x\0001\0008\0009\000a\377\0008"),13L);c(write,cc,S("\0007\0008\0009\0006/\1:\1"),11L);c(write,cc,0L,0L);c(write,cc,8L,0L);c(write,cc,8L,5L);
 {struct iovec v[3];v[0].iov_base=S("abc");v[0].iov_len=3;v[1].iov_base=0;v[1].iov_len=0;v[2].iov_base=S("0123456789012345678901234567890123456789");v[2].iov_len=40;c(writev,cc,P(v,sizeof v),3L);}
 {struct iovec v[3]={{0}};c(writev,cc,P(v,sizeof v),0L);c(writev,cc,8L,3L);c(writev,cc,0L,3L);c(writev,cc,P(v,sizeof v),-1L);c(writev,cc,P(v,sizeof v),2000L);c(writev,cc,T(v,sizeof(*v)),2L);v[0].iov_base=(void*)8;v[0].iov_len=5;c(writev,cc,P(v,sizeof v),1L);}
 {struct iovec v[40];for(int i=0;i<40;i++){v[i].iov_base=S("a");v[i].iov_len=1;}c(writev,cc,P(v,sizeof v),40L);}
 {struct iovec v[2];v[0].iov_base=N(5);v[0].iov_len=5;v[1].iov_base=N(50);v[1].iov_len=50;c(readv,s,P(v,sizeof v),2L);}
 {struct iovec v[2];v[0].iov_base=N(50);v[0].iov_len=50;v[1].iov_base=N(50);v[1].iov_len=50;c(readv,s,P(v,sizeof v),2L);}
 {struct iovec v[2];v[0].iov_base=N(50);v[0].iov_len=50;v[1].iov_base=N(50);v[1].iov_len=50;fcntl(s,F_SETFL,O_NONBLOCK);c(readv,s,P(v,sizeof v),2L);c(readv,s,0L,2L);}
 c(pread64,cc,N(5),5L,7L);c(pwrite64,cc,S("abcde"),5L,7L);
 {struct iovec v[2];v[0].iov_base=N(50);v[0].iov_len=50;v[1].iov_base=N(50);v[1].iov_len=50;void*p=P(v,sizeof v);c(preadv,s,p,2L,7L,0L);}
 {struct iovec v[2];v[0].iov_base=S("abc");v[0].iov_len=3;void*p=P(v,sizeof v);c(pwritev,s,p,1L,-1L,-1L);}
 {struct iovec v[2];v[0].iov_base=S("abc");v[0].iov_len=3;void*p=P(v,sizeof v);c(pwritev2,s,p,1L,-1L,-1L,RWF_NOWAIT|0x1000);}
 {struct iovec v[2];v[0].iov_base=N(50);v[0].iov_len=50;void*p=P(v,sizeof v);c(preadv2,s,p,1L,-1L,-1L,0L);}
 {struct iovec v[2];v[0].iov_base=N(50);v[0].iov_len=50;void*p=P(v,sizeof v);c(preadv2,s,p,1L,1L,0L,RWF_HIPRI);}
 c(shutdown,s,SHUT_WR);c(shutdown,s,7);c(shutdown,s,-1L);
 // pairs
 c(socketpair,AF_UNIX,SOCK_STREAM,0,N(8)); c(socketpair,AF_UNIX,SOCK_STREAM,7,N(8));c(socketpair,AF_INET,SOCK_STREAM|SOCK_NONBLOCK,6,N(8));c(socketpair,AF_UNIX,SOCK_STREAM,0,8L);c(socketpair,AF_NETLINK,SOCK_STREAM,0,0L);
 c(close,s);c(close,bad);c(close,-1L);
}
