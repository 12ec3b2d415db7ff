#include "h.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#ifndef SYS_recvmmsg
#define SYS_recvmmsg SYS_recvmmsg_time64
#endif
static struct msghdr*M(void*name,int nl,void*iov,long n,void*ctl,long cl,int fl){struct msghdr m={0};m.msg_name=name;m.msg_namelen=nl;m.msg_iov=iov;m.msg_iovlen=n;m.msg_control=ctl;m.msg_controllen=cl;m.msg_flags=fl;return P(&m,sizeof m);}
static void*V(void*b,long n){struct iovec v={b,n};return P(&v,sizeof v);}
static void*CM(int level,int type,const void*d,int n,int len){char b[300]={0};struct cmsghdr*c=(void*)b;c->cmsg_len=len?len:CMSG_LEN(n);c->cmsg_level=level;c->cmsg_type=type;memcpy(CMSG_DATA(c),d,n);return P(b,CMSG_SPACE(n));}
static void send1(int fd,int level,int type,const void*d,int n){void*ct=CM(level,type,d,n,0);c(sendmsg,fd,M(0,0,V(S("hi"),2),1,ct,CMSG_LEN(n),0),0);}
static void recv1(int fd,int fl){void*ct=N(512);void*nm=N(128);c(recvmsg,fd,M(nm,128,V(N(64),64),1,ct,512,0x55),fl);}
int main(int ac,char**av){init(av[1]);
 int sv[2];socketpair(AF_UNIX,SOCK_STREAM,0,sv);int dv[2];socketpair(AF_UNIX,SOCK_DGRAM,0,dv);
 struct sockaddr_in a={.sin_family=AF_INET,.sin_port=htons(9999),.sin_addr={htonl(INADDR_LOOPBACK)}};
 c(sendmsg,sv[0],M(0,0,V(S("hello"),5),1,0,0,0),0);
 c(sendmsg,sv[0],M(P(&a,16),16,V(S("hello"),5),1,0,0,MSG_DONTWAIT),MSG_NOSIGNAL);
 c(sendmsg,sv[0],M(0,0,0,0,0,0,-1),0); c(sendmsg,sv[0],M(0,0,0,5,0,0,0),0);c(sendmsg,sv[0],M((void*)8,5,(void*)8,5,(void*)8,50,0),0);c(sendmsg,sv[0],M(0,0,V(S("hello"),5),1,(void*)8,5,0),0);c(sendmsg,sv[0],M(0,0,V(S("hello"),5),1,0,5,0),0);
 c(sendmsg,sv[0],0L,0);c(sendmsg,sv[0],8L,0);c(recvmsg,sv[0],0L,0);c(recvmsg,sv[0],8L,0);
 {struct iovec v[3]={{S("abc"),3},{S("defgh"),5},{N(1),0}};c(sendmsg,sv[0],M(0,0,P(v,sizeof v),3,0,0,0),0);}
 {struct iovec v[3]={{N(6),6},{N(5),5},{N(50),50}};c(recvmsg,sv[1],M(0,0,P(v,sizeof v),3,0,0,0),0);}
 recv1(sv[1],MSG_DONTWAIT);
 int fds[3]={0,1,2};send1(sv[0],SOL_SOCKET,SCM_RIGHTS,fds,12);recv1(sv[1],MSG_CMSG_CLOEXEC);
 send1(sv[0],SOL_SOCKET,SCM_RIGHTS,fds,4);recv1(sv[1],0);send1(sv[0],SOL_SOCKET,SCM_RIGHTS,fds,0);send1(sv[0],SOL_SOCKET,SCM_RIGHTS,fds,6);
 int one=1;setsockopt(sv[1],SOL_SOCKET,SO_PASSCRED,&one,4);struct ucred u={getpid(),0,0};send1(sv[0],SOL_SOCKET,SCM_CREDENTIALS,&u,12);recv1(sv[1],0);send1(sv[0],SOL_SOCKET,SCM_CREDENTIALS,&u,8);
 {void*x=CM(SOL_SOCKET,SCM_CREDENTIALS,&u,12,0);void*y=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,0);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,(char*)y-(char*)x+CMSG_SPACE(8),0),0);}
 recv1(sv[1],0);
 {void*ct=N(16);c(recvmsg,sv[1],M(0,0,V(N(5),5),1,ct,16,0),MSG_DONTWAIT);}
 {void*x=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,3);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,24,0),0);}
 {void*x=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,300);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,CMSG_LEN(8),0),0);}
 {void*x=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,0);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,CMSG_LEN(8)+5,0),0);}
 {void*x=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,0);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,CMSG_LEN(4),0),0);}
 {void*x=CM(SOL_SOCKET,SCM_RIGHTS,fds,8,0);c(sendmsg,sv[0],M(0,0,V(S("hi"),2),1,x,7,0),0);}
 // every shape, on a socket that refuses or ignores
 struct timeval tv={1,2};long t6[6]={1,2,3,4,5,6};long long q[6]={1,2,3,4,5,6};
 int types[]={4,12,29,35,36,37,40,41,54,58,61,78,81};
 send1(dv[0],SOL_SOCKET,29,t6,2*sizeof(long));send1(dv[0],SOL_SOCKET,35,t6,2*sizeof(long));send1(dv[0],SOL_SOCKET,37,t6,6*sizeof(long));send1(dv[0],SOL_SOCKET,63,q,16);send1(dv[0],SOL_SOCKET,64,q,16);send1(dv[0],SOL_SOCKET,65,q,48);
 send1(dv[0],SOL_SOCKET,29,t6,5);send1(dv[0],SOL_SOCKET,3,"label",6);send1(dv[0],SOL_SOCKET,3,"label",5);send1(dv[0],SOL_SOCKET,61,q,8);send1(dv[0],SOL_SOCKET,99,q,8);send1(dv[0],SOL_SOCKET,99,q,0);send1(dv[0],7777,99,q,3);
 int v=0x2e;char pk[12]={1,0,0,0,127,0,0,1,127,0,0,2};unsigned char tos=0xb8;
 send1(dv[0],SOL_IP,IP_PKTINFO,pk,12);send1(dv[0],SOL_IP,IP_PKTINFO,pk,8);send1(dv[0],SOL_IP,IP_TTL,&v,4);send1(dv[0],SOL_IP,IP_TOS,&tos,1);send1(dv[0],SOL_IP,IP_TOS,&v,4);send1(dv[0],SOL_IP,IP_CHECKSUM,&v,4);send1(dv[0],SOL_IP,IP_RECVOPTS,pk,12);send1(dv[0],SOL_IP,IP_RETOPTS,pk,3);send1(dv[0],SOL_IP,IP_ORIGDSTADDR,&a,16);send1(dv[0],SOL_IP,99,&a,16);
 {char e[32]={111,0,0,0,2,3,3,0,1,0,0,0,2,0,0,0};memcpy(e+16,&a,16);send1(dv[0],SOL_IP,IP_RECVERR,e,32);send1(dv[0],SOL_IP,IP_RECVERR,e,16);send1(dv[0],SOL_IPV6,25,e,32);}
 {char p6[20]={0xfe,0x80,[15]=1,[16]=1};send1(dv[0],SOL_IPV6,IPV6_PKTINFO,p6,20);}send1(dv[0],SOL_IPV6,IPV6_HOPLIMIT,&v,4);send1(dv[0],SOL_IPV6,IPV6_TCLASS,&v,4);
 short seg=1400;send1(dv[0],SOL_UDP,103,&seg,2);send1(dv[0],SOL_UDP,104,&v,4);send1(dv[0],SOL_TCP,36,&v,4);send1(dv[0],282,1,"\x15",1);send1(dv[0],263,8,t6,20);send1(dv[0],279,3,&v,4);
 // real
 int us=socket(AF_INET,SOCK_DGRAM,0),uc=socket(AF_INET,SOCK_DGRAM,0);a.sin_port=0;bind(us,(void*)&a,16);socklen_t l=16;getsockname(us,(void*)&a,&l);
 setsockopt(us,SOL_IP,IP_PKTINFO,&one,4);setsockopt(us,SOL_IP,IP_RECVTTL,&one,4);setsockopt(us,SOL_IP,IP_RECVTOS,&one,4);setsockopt(us,SOL_SOCKET,SO_TIMESTAMP,&one,4);
 c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);recv1(us,0);
 setsockopt(us,SOL_SOCKET,SO_TIMESTAMPNS,&one,4);c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);recv1(us,0);
 v=SOF_TIMESTAMPING_RX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE;setsockopt(us,SOL_SOCKET,SO_TIMESTAMPING,&v,4);c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);recv1(us,MSG_PEEK);{c(recvmsg,us,M(0,0,V(N(4),4),1,N(20),20,0),MSG_TRUNC);}
 c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);{c(recvmsg,us,M(N(5),5,V(N(4),4),1,0,0,0),MSG_TRUNC);}
 c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);{l=16;void*b=N(4);void*n=N(16);c(recvfrom,us,b,4L,MSG_TRUNC,n,P(&l,4));}
 int er=socket(AF_INET,SOCK_DGRAM,0);setsockopt(er,SOL_IP,IP_RECVERR,&one,4);struct sockaddr_in z=a;z.sin_port=htons(1);connect(er,(void*)&z,16);c(sendto,er,S("x"),1L,0,0L,0L);usleep(1000);c(sendto,er,S("x"),1L,0,0L,0L);recv1(er,MSG_ERRQUEUE);
 int u6=socket(AF_INET6,SOCK_DGRAM,0),c6=socket(AF_INET6,SOCK_DGRAM,0);struct sockaddr_in6 a6={.sin6_family=AF_INET6,.sin6_addr=IN6ADDR_LOOPBACK_INIT};bind(u6,(void*)&a6,28);l=28;getsockname(u6,(void*)&a6,&l);setsockopt(u6,SOL_IPV6,IPV6_RECVPKTINFO,&one,4);setsockopt(u6,SOL_IPV6,IPV6_RECVHOPLIMIT,&one,4);setsockopt(u6,SOL_IPV6,IPV6_RECVTCLASS,&one,4);
 c(sendto,c6,S("datagram"),8L,0,P(&a6,28),28L);recv1(u6,0);
 // mmsg
 for(int k=0;k<3;k++){struct mmsghdr m[3]={{{0}}};void*iv=V(S("one"),3);m[0].msg_hdr=(struct msghdr){0,0,iv,1,0,0,0};void*iw=V(S("second"),6);void*n=P(&a,16);m[1].msg_hdr=(struct msghdr){n,16,iw,1,0,0,0};m[2]=m[0];m[2].msg_hdr.msg_name=(void*)8;m[2].msg_hdr.msg_namelen=16;m[0].msg_hdr.msg_name=n;m[0].msg_hdr.msg_namelen=16;c(sendmmsg,k==1?99:uc,P(m,sizeof m),k==2?2L:3L,MSG_DONTWAIT);}
 c(sendmmsg,uc,0L,3L,0);c(sendmmsg,uc,8L,3L,0);c(sendmmsg,uc,8L,0L,0);{struct mmsghdr m[1]={{{0}}};c(sendmmsg,uc,P(m,sizeof m),0L,0);c(sendmmsg,uc,T(m,sizeof m),2L,0);}
 struct timespec ts={1,5};
 for(int k=0;k<4;k++){struct mmsghdr m[5]={{{0}}};for(int i=0;i<5;i++){void*iv=V(N(16),16);m[i].msg_hdr=(struct msghdr){N(16),16,iv,1,0,0,0};}
  c(recvmmsg,k==3?99:us,P(m,sizeof m),k==0?2L:5L,MSG_DONTWAIT,k==2?0:P(&ts,sizeof ts));}
 {struct mmsghdr m[1]={{{0}}};ts.tv_sec=0;ts.tv_nsec=1000;void*iv=V(N(16),16);m[0].msg_hdr=(struct msghdr){N(16),16,iv,1,0,0,0};c(sendto,uc,S("datagram"),8L,0,P(&a,16),16L);iv=V(N(16),16);m[0].msg_hdr=(struct msghdr){N(16),16,iv,1,0,0,0};c(recvmmsg,us,P(m,sizeof m),1L,0,P(&ts,sizeof ts));c(recvmmsg,us,8L,1L,MSG_DONTWAIT,8L);c(recvmmsg,us,0L,0L,MSG_DONTWAIT,0L);}
}
