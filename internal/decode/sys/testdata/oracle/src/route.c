#include "h.h"
#include <linux/rtnetlink.h>
static int seq=1;
static void req(int fd,int type,const void*body,int n){char b[512]={0};struct nlmsghdr*h=(void*)b;h->nlmsg_len=16+n;h->nlmsg_type=type;h->nlmsg_flags=NLM_F_REQUEST;h->nlmsg_seq=seq++;memcpy(b+16,body,n);c(sendto,fd,P(b,16+n),(long)(16+n),0,0L,0L);}
static char B[400];static int at;
static void put(const void*p,int n){memcpy(B+at,p,n);at+=n;}
static void begin(int family){struct rtmsg r={family};at=0;memset(B,0,sizeof B);put(&r,sizeof r);}
static void attr(int type,const void*p,int n){struct rtattr a={4+n,type};put(&a,4);put(p,n);at=(at+3)&~3;}
static int hop(int flags,int hops,int index,int gw,const void*p,int n){struct rtnexthop h={8+(gw?4+n:0),flags,hops,index};put(&h,8);if(gw)attr(gw,p,n);return 8;}
int main(int ac,char**av){init(av[1]);
 int fd=c(socket,AF_NETLINK,SOCK_RAW,NETLINK_ROUTE);unsigned char g[4]={127,0,0,2},g6[16]={0xfe,0x80,[15]=1};struct rtattr m={0,RTA_MULTIPATH};int s;
 begin(AF_INET);s=at;put(&m,4);hop(0,0,1,RTA_GATEWAY,g,4);hop(RTNH_F_ONLINK|RTNH_F_DEAD,9,999,RTA_GATEWAY,g,4);((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
 begin(AF_INET6);s=at;put(&m,4);hop(0x80,1,1,RTA_GATEWAY,g6,16);((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
 begin(AF_INET);s=at;put(&m,4);hop(0,0,1,0,0,0);((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
 begin(AF_INET);s=at;put(&m,4);put("\10\0\0\0",4);((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
 begin(AF_INET);s=at;put(&m,4);hop(0,0,1,RTA_GATEWAY,g,4);((struct rtnexthop*)(B+s+4))->rtnh_len=4;((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
 begin(AF_INET);s=at;put(&m,4);hop(0,0,1,RTA_GATEWAY,g,4);((struct rtnexthop*)(B+s+4))->rtnh_len=60;((struct rtattr*)(B+s))->rta_len=at-s;req(fd,RTM_NEWROUTE,B,at);
}
