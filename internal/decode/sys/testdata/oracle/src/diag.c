#include "h.h"
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/if_packet.h>
#include <linux/genetlink.h>
static int seq=1;
static void req(int fd,int type,int flags,const void*body,int n){char b[512]={0};struct nlmsghdr*h=(void*)b;h->nlmsg_len=16+n;h->nlmsg_type=type;h->nlmsg_flags=flags;h->nlmsg_seq=seq++;memcpy(b+16,body,n);struct sockaddr_nl k={.nl_family=16};c(sendto,fd,P(b,16+n),(long)(16+n),0,P(&k,12),12L);}
static void rcv(int fd){c(recvfrom,fd,N(8000),8000L,MSG_DONTWAIT,0L,0L);}
static void all(int fd){rcv(fd);rcv(fd);}
int main(int ac,char**av){init(av[1]);
 struct sockaddr_in a={.sin_family=AF_INET,.sin_addr.s_addr=htonl(INADDR_LOOPBACK)};socklen_t l=sizeof a;
 struct sockaddr_in6 a6={.sin6_family=AF_INET6,.sin6_addr=IN6ADDR_LOOPBACK_INIT};socklen_t l6=sizeof a6;
 struct ifreq lo={.ifr_name="lo",.ifr_flags=IFF_UP};int s=socket(AF_INET,SOCK_STREAM,0);ioctl(s,SIOCSIFFLAGS,&lo);
 bind(s,(void*)&a,l);listen(s,5);getsockname(s,(void*)&a,&l);int k=socket(AF_INET,SOCK_STREAM,0);connect(k,(void*)&a,l);int w=accept(s,0,0);send(w,"hello",5,0);
 int m=7;setsockopt(k,SOL_SOCKET,SO_MARK,&m,4);setsockopt(s,SOL_IP,IP_TOS,&(int){0x10},4);
 int s6=socket(AF_INET6,SOCK_STREAM,0);bind(s6,(void*)&a6,l6);listen(s6,3);getsockname(s6,(void*)&a6,&l6);int k6=socket(AF_INET6,SOCK_STREAM,0);connect(k6,(void*)&a6,l6);
 int u=socket(AF_INET,SOCK_DGRAM,0);a.sin_port=0;bind(u,(void*)&a,l);
 int fd=c(socket,AF_NETLINK,SOCK_RAW,NETLINK_SOCK_DIAG);
 struct inet_diag_req_v2 q={.sdiag_family=AF_INET,.sdiag_protocol=IPPROTO_TCP,.idiag_states=-1,.idiag_ext=0xff};
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&q,sizeof q);all(fd);
 q.sdiag_family=AF_INET6;q.idiag_ext=0x7;q.idiag_states=1<<10|1<<1;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&q,sizeof q);all(fd);
 q.sdiag_family=AF_INET;q.sdiag_protocol=IPPROTO_UDP;q.idiag_ext=0;q.idiag_states=1<<7;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&q,sizeof q);all(fd);
 q.sdiag_protocol=IPPROTO_TCP;q.id.idiag_sport=htons(1);q.id.idiag_dport=htons(2);q.id.idiag_src[0]=htonl(0x7f000001);q.id.idiag_dst[0]=htonl(0x7f000002);q.id.idiag_if=1;q.id.idiag_cookie[0]=INET_DIAG_NOCOOKIE;q.id.idiag_cookie[1]=INET_DIAG_NOCOOKIE;
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_ACK,&q,sizeof q);rcv(fd);
 q.id.idiag_cookie[0]=0x1234;q.id.idiag_cookie[1]=5;q.idiag_states=0x10001;q.idiag_ext=0x80;req(fd,SOCK_DESTROY,NLM_F_REQUEST|NLM_F_ACK,&q,sizeof q);rcv(fd);
 struct{struct inet_diag_req_v2 q;struct nlattr n;struct inet_diag_bc_op o[4];}bc={{AF_INET,IPPROTO_TCP,0,0,-1},{20,INET_DIAG_REQ_BYTECODE},{{INET_DIAG_BC_S_GE,8,20},{0,0,22},{INET_DIAG_BC_JMP,4,8},{INET_DIAG_BC_NOP,4,4}}};
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&bc,sizeof bc);rcv(fd);
 struct{struct inet_diag_req_v2 q;struct nlattr n;unsigned p;}pr={{AF_INET,255,0,0,-1},{8,INET_DIAG_REQ_PROTOCOL},262};
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&pr,sizeof pr);rcv(fd);
 struct inet_diag_req v1={.idiag_family=AF_INET,.idiag_src_len=1,.idiag_dst_len=2,.idiag_ext=2,.idiag_states=1<<10,.idiag_dbs=3};
 req(fd,TCPDIAG_GETSOCK,NLM_F_REQUEST|NLM_F_DUMP,&v1,sizeof v1);all(fd);
 req(fd,DCCPDIAG_GETSOCK,NLM_F_REQUEST|NLM_F_DUMP,&v1,sizeof v1);rcv(fd);
 struct unix_diag_req uq={.sdiag_family=AF_UNIX,.udiag_states=-1,.udiag_show=0x7f};
 struct sockaddr_un un={AF_UNIX,"\0abs"};int us=socket(AF_UNIX,SOCK_STREAM,0);bind(us,(void*)&un,6);listen(us,2);int uk=socket(AF_UNIX,SOCK_STREAM,0);connect(uk,(void*)&un,6);int up[2];socketpair(AF_UNIX,SOCK_DGRAM,0,up);
 struct sockaddr_un uf={AF_UNIX,"/tmp/pidwire-oracle"};unlink(uf.sun_path);int ub=socket(AF_UNIX,SOCK_DGRAM,0);bind(ub,(void*)&uf,sizeof uf);
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&uq,sizeof uq);all(fd);unlink(uf.sun_path);
 uq.udiag_ino=77;uq.udiag_cookie[0]=-1;uq.udiag_cookie[1]=-1;uq.udiag_show=0x81;uq.udiag_states=1<<7;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,&uq,sizeof uq);rcv(fd);
 struct netlink_diag_req nq={.sdiag_family=AF_NETLINK,.sdiag_protocol=NDIAG_PROTO_ALL,.ndiag_show=0xf};int ng=socket(AF_NETLINK,SOCK_RAW,0);struct sockaddr_nl gk={AF_NETLINK,0,0,0x11};bind(ng,(void*)&gk,12);
 req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&nq,sizeof nq);all(fd);
 nq.sdiag_protocol=4;nq.ndiag_show=0x1;nq.ndiag_ino=5;nq.ndiag_cookie[0]=-1;nq.ndiag_cookie[1]=-1;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,&nq,sizeof nq);rcv(fd);
 int pk=socket(AF_PACKET,SOCK_RAW,htons(3));int pd=socket(AF_PACKET,SOCK_DGRAM,htons(0x800));struct packet_mreq mr={1,PACKET_MR_PROMISC,0,{0}};setsockopt(pk,SOL_PACKET,PACKET_ADD_MEMBERSHIP,&mr,sizeof mr);int fo=PACKET_FANOUT_HASH<<16|9;setsockopt(pd,SOL_PACKET,PACKET_FANOUT,&fo,4);
 struct tpacket_req tr={4096,4,2048,8};setsockopt(pk,SOL_PACKET,PACKET_RX_RING,&tr,sizeof tr);struct sock_filter sf[]={{6,0,0,0xffff}};struct sock_fprog fp={1,sf};setsockopt(pk,SOL_SOCKET,SO_ATTACH_FILTER,&fp,sizeof fp);
 struct packet_diag_req pq={.sdiag_family=AF_PACKET,.pdiag_show=0x3f};req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&pq,sizeof pq);all(fd);
 pq.pdiag_show=0x40;pq.pdiag_ino=3;pq.sdiag_protocol=1;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,&pq,sizeof pq);rcv(fd);
 char odd[8]={AF_VSOCK,1,2,3};req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST|NLM_F_DUMP,odd,8);rcv(fd);req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,odd,1);rcv(fd);odd[0]=AF_INET;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,odd,8);rcv(fd);odd[0]=AF_UNIX;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,odd,4);rcv(fd);odd[0]=AF_NETLINK;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,odd,4);odd[0]=AF_PACKET;req(fd,SOCK_DIAG_BY_FAMILY,NLM_F_REQUEST,odd,4);req(fd,TCPDIAG_GETSOCK,NLM_F_REQUEST,odd,8);
 int gf=c(socket,AF_NETLINK,SOCK_RAW,NETLINK_GENERIC);
 struct{struct genlmsghdr g;struct nlattr a;char n[8];}gq={{CTRL_CMD_GETFAMILY,2,0},{11,CTRL_ATTR_FAMILY_NAME},"nlctrl"};req(gf,GENL_ID_CTRL,NLM_F_REQUEST|NLM_F_ACK,&gq,4+4+8);all(gf);
 struct genlmsghdr gh={CTRL_CMD_GETFAMILY,1,0};req(gf,GENL_ID_CTRL,NLM_F_REQUEST|NLM_F_DUMP,&gh,4);rcv(gf);
 struct{struct genlmsghdr g;struct nlattr a;unsigned short id,pad;struct nlattr o;unsigned v;}gp={{CTRL_CMD_GETPOLICY,1,7},{6,CTRL_ATTR_FAMILY_ID},16,0,{8,CTRL_ATTR_OP},3};req(gf,GENL_ID_CTRL,NLM_F_REQUEST|NLM_F_DUMP,&gp,sizeof gp);rcv(gf);
 gh.cmd=99;req(gf,GENL_ID_CTRL,NLM_F_REQUEST,&gh,4);rcv(gf);req(gf,GENL_ID_CTRL,NLM_F_REQUEST,&gh,2);
}
