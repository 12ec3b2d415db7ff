#include "h.h"
#include <linux/rtnetlink.h>
#include <linux/genetlink.h>
static int seq=1;
static void req(int fd,int type,int flags,const void*body,int n){char b[512]={0};struct nlmsghdr*h=(void*)b;h->nlmsg_len=16+n;h->nlmsg_type=type;h->nlmsg_flags=flags;h->nlmsg_seq=seq++;memcpy(b+16,body,n);struct sockaddr_nl k={.nl_family=16};c(sendto,fd,P(b,16+n),(long)(16+n),0,P(&k,12),12L);}
static void rcv(int fd,int peek){struct sockaddr_nl k={0};struct iovec v={N(6000),6000};struct msghdr m={0};m.msg_name=P(&k,12);m.msg_namelen=12;m.msg_iov=P(&v,sizeof v);m.msg_iovlen=1;c(recvmsg,fd,P(&m,sizeof m),MSG_DONTWAIT|peek);}
static void all(int fd){for(int i=0;i<6;i++)rcv(fd,0);}
int main(int ac,char**av){init(av[1]);
 int fd=c(socket,AF_NETLINK,SOCK_RAW,NETLINK_ROUTE);int fd2=fd;struct sockaddr_nl k={.nl_family=16};c(bind,fd,P(&k,12),12);
 struct ifinfomsg ii={0};req(fd,RTM_GETLINK,NLM_F_REQUEST|NLM_F_DUMP,&ii,sizeof ii);all(fd);
 struct{struct ifinfomsg i;struct rtattr a;unsigned v;}lk={{0},{8,29},1};lk.i.ifi_index=1;req(fd,RTM_GETLINK,NLM_F_REQUEST,&lk,sizeof lk);rcv(fd,0);
 lk.i.ifi_index=999;req(fd,RTM_GETLINK,NLM_F_REQUEST,&lk,sizeof lk);rcv(fd,0);
 struct{struct ifinfomsg i;struct rtattr a;char n[4];}nm={{0},{7,3},"lo"};req(fd,RTM_GETLINK,NLM_F_REQUEST|NLM_F_ACK,&nm,sizeof nm);rcv(fd,0);rcv(fd,0);
 struct ifaddrmsg ia={0};req(fd,RTM_GETADDR,NLM_F_REQUEST|NLM_F_DUMP,&ia,sizeof ia);all(fd);
 struct rtgenmsg g={0};req(fd,RTM_GETADDR,NLM_F_REQUEST|NLM_F_DUMP,&g,sizeof g);all(fd);req(fd,RTM_GETLINK,NLM_F_REQUEST|NLM_F_DUMP,&g,sizeof g);all(fd);
 struct rtmsg rt={0};req(fd,RTM_GETROUTE,NLM_F_REQUEST|NLM_F_DUMP,&rt,sizeof rt);all(fd);
 struct{struct rtmsg r;struct rtattr a;unsigned char v[4];}rg={{AF_INET,32},{8,RTA_DST},{127,0,0,1}};req(fd,RTM_GETROUTE,NLM_F_REQUEST,&rg,sizeof rg);rcv(fd,0);
 struct ndmsg nd={0};req(fd,RTM_GETNEIGH,NLM_F_REQUEST|NLM_F_DUMP,&nd,sizeof nd);all(fd);
 req(fd,RTM_GETRULE,NLM_F_REQUEST|NLM_F_DUMP,&rt,sizeof rt);all(fd);
 req(fd,0x7777,NLM_F_REQUEST|NLM_F_ACK,"abcdefgh",8);rcv(fd,0);req(fd,NLMSG_NOOP,NLM_F_REQUEST,"",0);req(fd,NLMSG_DONE,0,"\0\0\0\0",4);req(fd,NLMSG_DONE,0,"\1\0",2);{int e[5]={-2,20,0x30012,0,0};req(fd,NLMSG_ERROR,0,e,20);req(fd,NLMSG_ERROR,0,e,4);req(fd,NLMSG_ERROR,0,e,2);e[0]=0;req(fd,NLMSG_ERROR,0x100,e,20);}
 req(fd,RTM_NEWLINK,NLM_F_REQUEST|NLM_F_CREATE|NLM_F_EXCL|NLM_F_ACK,&ii,sizeof ii);rcv(fd,0);req(fd,RTM_NEWLINK,0x305,&ii,3);req(fd,RTM_DELLINK,0x301,&ii,sizeof ii);
 {char b[16]={0};c(sendto,fd,P(b,16),16L,0,0L,0L);b[0]=8;c(sendto,fd,P(b,16),16L,0,0L,0L);b[0]=100;c(sendto,fd,P(b,16),16L,0,0L,0L);c(sendto,fd,P(b,10),10L,0,0L,0L);}
 {char b[64]={0};struct nlmsghdr*h=(void*)b;h->nlmsg_len=17;h->nlmsg_type=RTM_GETLINK;h->nlmsg_flags=1;h[1]=*h;h[1].nlmsg_len=33;*(struct nlmsghdr*)(b+20)=*h;((struct nlmsghdr*)(b+20))->nlmsg_len=17;c(write,fd,P(b,40),40L);struct iovec v[2]={{P(b,20),20},{P(b,17),17}};c(writev,fd,P(v,sizeof v),2L);}
 int gf=c(socket,AF_NETLINK,SOCK_RAW,NETLINK_GENERIC);{struct{struct genlmsghdr g;struct rtattr a;char n[8];}q={{3,2,0},{11,2},"nlctrl"};req(gf,16,NLM_F_REQUEST|NLM_F_ACK,&q,4+4+8);rcv(gf,0);}
 int df=c(socket,AF_NETLINK,SOCK_RAW,4);{char q[56]={2,6};q[4]=-1;q[5]=-1;q[6]=-1;q[7]=-1;req(df,20,NLM_F_REQUEST|NLM_F_DUMP,q,56);rcv(df,0);}
 int uf=c(socket,AF_NETLINK,SOCK_RAW,15);req(uf,3,0,"abcd",4);int af=c(socket,AF_NETLINK,SOCK_RAW,9);req(af,1000,5,"abcd",4);rcv(af,0);int xf=c(socket,AF_NETLINK,SOCK_RAW,6);req(xf,0x12,1,"abcdefgh",8);int nf=c(socket,AF_NETLINK,SOCK_RAW,12);req(nf,0x101,0x301,"\2\0\0\0",4);rcv(nf,0);
}
