#include "h.h"
#include <linux/net_tstamp.h>
#include <linux/if_packet.h>
#include <linux/tls.h>
#include <linux/filter.h>
#include <netinet/udp.h>
static int G(int fd,int l,int n,int len){void*b=N(len>0?len:8);return c(getsockopt,fd,l,n,b,P(&len,4));}
static int St(int fd,int l,int n,const void*d,int len,int say){return c(setsockopt,fd,l,n,P(d,len>0?len:8),say);}
#define SI(fd,l,n,v) do{int x=v;St(fd,l,n,&x,4,4);}while(0)
int main(int ac,char**av){init(av[1]);
 int s=socket(AF_INET,SOCK_STREAM,0),u=socket(AF_INET,SOCK_DGRAM,0),u6=socket(AF_INET6,SOCK_DGRAM,0);int sv[2];socketpair(AF_UNIX,SOCK_STREAM,0,sv);
 int ls=socket(AF_INET,SOCK_STREAM,0);struct sockaddr_in a={.sin_family=AF_INET,.sin_addr={htonl(INADDR_LOOPBACK)}};bind(ls,(void*)&a,16);listen(ls,5);socklen_t l=16;getsockname(ls,(void*)&a,&l);connect(s,(void*)&a,16);
 char z[300];for(int i=0;i<300;i++)z[i]=i;
 SI(s,SOL_SOCKET,SO_REUSEADDR,1);SI(s,SOL_TCP,TCP_NODELAY,1);SI(s,SOL_TCP,999,1);SI(s,9999,9,1);SI(s,SOL_SOCKET,999,1);
 int ln[]={0,1,2,3,4,5,8,12,-1};for(int i=0;i<9;i++){St(s,SOL_TCP,TCP_NODELAY,z,ln[i]>0?ln[i]:8,ln[i]);St(s,SOL_SOCKET,SO_KEEPALIVE,z,ln[i]>0?ln[i]:8,ln[i]);St(u,SOL_IP,IP_TTL,z,ln[i]>0?ln[i]:8,ln[i]);St(u,SOL_IP,IP_TOS,z,ln[i]>0?ln[i]:8,ln[i]);St(s,SOL_SOCKET,SO_LINGER,z,ln[i]>0?ln[i]:8,ln[i]);St(s,9999,9,z,ln[i]>0?ln[i]:8,ln[i]);}
 for(int i=0;i<8;i++){G(s,SOL_TCP,TCP_NODELAY,ln[i]);G(s,SOL_SOCKET,SO_KEEPALIVE,ln[i]);G(u,SOL_IP,IP_TTL,ln[i]);G(s,SOL_SOCKET,SO_ERROR,ln[i]);G(s,SOL_SOCKET,SO_LINGER,ln[i]);G(sv[0],SOL_SOCKET,SO_PEERCRED,ln[i]);}
 c(setsockopt,s,SOL_TCP,TCP_NODELAY,8L,4);c(setsockopt,s,SOL_TCP,TCP_NODELAY,0L,4);c(setsockopt,s,SOL_SOCKET,SO_LINGER,0L,8);c(setsockopt,s,SOL_SOCKET,SO_LINGER,8L,8);
 c(getsockopt,s,SOL_SOCKET,SO_TYPE,N(4),0L);c(getsockopt,s,SOL_SOCKET,SO_TYPE,N(4),8L);{int q=4;c(getsockopt,s,SOL_SOCKET,SO_TYPE,8L,P(&q,4));c(getsockopt,s,SOL_SOCKET,SO_TYPE,0L,P(&q,4));q=-1;c(getsockopt,s,SOL_SOCKET,SO_TYPE,N(4),P(&q,4));}
 for(int i=1;i<84;i++)G(s,SOL_SOCKET,i,i==26?16:16);
 for(int i=1;i<46;i++)G(s,SOL_TCP,i,i==11?256:20);
 for(int i=1;i<53;i++)G(u,SOL_IP,i,4);for(int i=1;i<81;i++)G(u6,SOL_IPV6,i,4);G(s,SOL_IP,80,16);G(u,SOL_UDP,1,4);G(u,SOL_UDP,103,4);G(u,SOL_UDP,99,4);
 G(sv[0],SOL_SOCKET,SO_PEERCRED,12);G(sv[0],SOL_SOCKET,SO_PEERNAME,110);G(s,SOL_SOCKET,SO_PEERNAME,128);G(sv[0],SOL_SOCKET,59,64);G(s,SOL_SOCKET,55,36);G(sv[0],SOL_SOCKET,SO_PEERSEC,64);G(sv[0],SOL_SOCKET,77,4);G(sv[0],SOL_SOCKET,SO_TYPE,4);G(u6,SOL_SOCKET,SO_DOMAIN,4);
 long tv[2]={1,500000};St(s,SOL_SOCKET,20,tv,sizeof tv,sizeof tv);long long t6[2]={1,500000};St(s,SOL_SOCKET,66,t6,16,16);G(s,SOL_SOCKET,20,sizeof tv);G(s,SOL_SOCKET,67,16);
 int li[2]={1,5};St(s,SOL_SOCKET,SO_LINGER,li,8,8);G(s,SOL_SOCKET,SO_LINGER,8);St(s,SOL_SOCKET,SO_LINGER,li,8,7);
 St(s,SOL_SOCKET,SO_BINDTODEVICE,"lo",3,3);St(s,SOL_SOCKET,SO_BINDTODEVICE,"lo\0\0",4,4);G(s,SOL_SOCKET,SO_BINDTODEVICE,16);St(s,SOL_SOCKET,SO_BINDTODEVICE,"",1,0);
 SI(s,SOL_SOCKET,37,SOF_TIMESTAMPING_RX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE|0x40000000);St(s,SOL_SOCKET,65,li,8,8);SI(s,SOL_SOCKET,62,1);SI(s,SOL_SOCKET,61,1);St(s,SOL_SOCKET,61,li,8,8);SI(s,SOL_SOCKET,72,3);SI(s,SOL_SOCKET,SO_PRIORITY,6);SI(s,SOL_SOCKET,SO_MARK,16);St(s,SOL_SOCKET,47,t6,8,8);SI(s,SOL_SOCKET,74,1);SI(s,SOL_SOCKET,74,9);
 struct sock_filter f[5]={BPF_STMT(BPF_LD|BPF_W|BPF_ABS,0),BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K,5,0,1),BPF_STMT(BPF_RET|BPF_K,-1),BPF_STMT(BPF_LD|BPF_B|BPF_ABS,0xfffff004),BPF_STMT(BPF_MISC|BPF_TAX,0)};
 {struct sock_fprog fp={3,P(f,sizeof f)};void*p=P(&fp,sizeof fp);c(setsockopt,u,SOL_SOCKET,SO_ATTACH_FILTER,p,sizeof fp);}
 {struct sock_fprog fp={5,P(f,sizeof f)};void*p=P(&fp,sizeof fp);c(setsockopt,u,SOL_SOCKET,51,p,sizeof fp);}
 {struct sock_fprog fp={0,0};void*p=P(&fp,sizeof fp);c(setsockopt,u,SOL_SOCKET,SO_ATTACH_FILTER,p,sizeof fp);fp.len=3;fp.filter=(void*)8;p=P(&fp,sizeof fp);c(setsockopt,u,SOL_SOCKET,SO_ATTACH_FILTER,p,sizeof fp);c(setsockopt,u,SOL_SOCKET,SO_ATTACH_FILTER,p,3);}
 SI(u,SOL_SOCKET,SO_DETACH_FILTER,0);SI(s,SOL_SOCKET,50,5);G(u,SOL_SOCKET,26,4);G(u,SOL_SOCKET,26,0);
 unsigned char mr[12]={224,0,0,251,127,0,0,1,1,0,0,0};int mm[]={35,36,37,38,39,40,32};for(int i=0;i<7;i++){St(u,SOL_IP,mm[i],mr,12,12);St(u,SOL_IP,mm[i],mr,8,8);St(u,SOL_IP,mm[i],mr,4,4);St(u,SOL_IP,mm[i],mr,7,7);}
 unsigned char m6[20]={0xff,2,[15]=0xfb,[16]=1};int m6s[]={20,21,27,28};for(int i=0;i<4;i++){St(u6,SOL_IPV6,m6s[i],m6,20,20);St(u6,SOL_IPV6,m6s[i],m6,19,19);}SI(u6,SOL_IPV6,17,1);
 {struct group_req g={1};*(struct sockaddr_in*)&g.gr_group=(struct sockaddr_in){.sin_family=2,.sin_addr={htonl(0xe00000fb)}};St(u,SOL_IP,42,&g,sizeof g,sizeof g);St(u,SOL_IP,45,&g,sizeof g,sizeof g);St(u6,SOL_IPV6,42,&g,sizeof g,sizeof g);St(u,SOL_IP,42,&g,sizeof g,100);struct group_source_req h={1};memcpy(&h.gsr_group,&g.gr_group,128);memcpy(&h.gsr_source,&g.gr_group,128);St(u,SOL_IP,46,&h,sizeof h,sizeof h);}
 {unsigned ms[6]={htonl(0xe00000fb),htonl(0x7f000001),1,2,htonl(0x01020304),htonl(0x01020305)};St(u,SOL_IP,41,ms,24,24);}
 SI(u,SOL_IP,10,2);SI(u,SOL_IP,10,77);SI(u6,SOL_IPV6,23,3);SI(u,SOL_IP,1,0xb8);St(u,SOL_IP,1,"\x10",1,1);SI(u6,SOL_IPV6,67,0xb9);SI(u6,SOL_IPV6,72,1);SI(u,SOL_IP,51,0x9c407530);SI(u6,SOL_IPV6,26,1);
 SI(s,SOL_TCP,31,0x00736c74);St(s,SOL_TCP,31,"tls",3,3);St(s,SOL_TCP,13,"bbr",4,4);St(s,SOL_TCP,13,"reno",4,4);St(s,SOL_TCP,13,"cubic",5,5);G(s,SOL_TCP,13,16);G(s,SOL_TCP,11,104);G(s,SOL_TCP,11,8);G(s,SOL_TCP,31,16);SI(s,SOL_TCP,19,1);SI(s,SOL_TCP,20,1);
 {char k[40]={4,3,51,0};memset(k+4,'K',36);St(s,282,1,k,40,40);St(s,282,2,k,4,4);St(s,282,2,k,3,3);St(s,SOL_TCP,33,k+4,16,16);}
 {char k[300]={2,0,0,80,1,2,3,4};k[131]=0;k[130]=5;memset(k+136,'K',80);St(s,SOL_TCP,14,k,216,216);St(s,SOL_TCP,32,k,216,216);St(s,SOL_TCP,38,k,250,250);St(s,279,1,k+136,16,16);}
 int pk=socket(AF_PACKET,SOCK_RAW,0);{struct packet_mreq p={1,PACKET_MR_PROMISC,6,"\1\2\3\4\5\6"};St(pk,263,1,&p,16,16);St(pk,263,2,&p,16,16);St(pk,263,2,&p,15,15);struct tpacket_req3 r={4096,1,2048,2,10,0,1};SI(pk,263,10,2);SI(pk,263,10,9);St(pk,263,5,&r,28,28);St(pk,263,13,&r,16,16);St(pk,263,5,&r,8,8);G(pk,263,6,12);G(pk,263,6,8);G(pk,263,10,4);SI(pk,263,18,7|(0x1003<<16));G(pk,263,21,24);SI(pk,263,8,1);G(pk,263,11,4);SI(pk,263,77,1);}
 int nl=socket(AF_NETLINK,SOCK_RAW,0);SI(nl,270,1,1);SI(nl,270,11,1);G(nl,270,9,8);G(nl,270,9,16);St(nl,270,1,z,8,8);
 int rw=socket(AF_INET,SOCK_RAW,1);SI(rw,255,1,9);SI(rw,255,1,~9);
 SI(s,40,0,5);St(s,40,0,t6,8,8);St(s,287,2,t6,8,8);SI(s,284,1,1);SI(s,283,3,5);SI(s,132,3,5);SI(s,101,3,5);SI(s,271,127,5);SI(s,58,1,5);SI(s,136,10,5);SI(s,285,1,1);SI(s,286,1,1);SI(s,281,1,1);SI(s,274,4,1);SI(s,256,4,1);SI(s,262,4,1);SI(s,269,2,1);
}
