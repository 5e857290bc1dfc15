// What ports are commonly used for, as short words; the number stays beside them.

const TCP = {
  20: "ftp", 21: "ftp", 22: "ssh", 23: "telnet", 25: "mail", 53: "dns", 80: "http", 110: "pop3", 139: "smb",
  143: "imap", 179: "bgp", 389: "ldap", 443: "https", 445: "smb", 465: "mail", 548: "afp", 554: "rtsp", 587: "mail",
  631: "ipp", 636: "ldaps", 853: "dns over tls", 873: "rsync", 989: "ftps", 990: "ftps", 993: "imaps", 995: "pop3s",
  1194: "openvpn", 1433: "mssql", 1883: "mqtt", 1935: "rtmp", 2049: "nfs", 3306: "mysql", 3389: "rdp", 3478: "stun",
  5000: "upnp", 5060: "sip", 5222: "xmpp", 5228: "push", 5432: "postgresql", 5555: "adb", 5900: "vnc",
  6379: "redis", 6881: "bittorrent", 7000: "airplay", 8008: "cast", 8009: "cast", 8080: "http",
  8123: "home assistant", 8443: "https", 8883: "mqtts", 9100: "printer", 27017: "mongodb", 32400: "plex",
};
const UDP = {
  53: "dns", 67: "dhcp", 68: "dhcp", 69: "tftp", 80: "quic", 88: "kerberos", 123: "ntp", 137: "netbios",
  138: "netbios", 161: "snmp", 162: "snmp", 443: "quic", 500: "ipsec", 514: "syslog", 546: "dhcpv6", 547: "dhcpv6",
  853: "dns over quic", 1194: "openvpn", 1900: "ssdp", 2055: "netflow", 3478: "stun", 3702: "ws-discovery",
  4500: "ipsec", 5060: "sip", 5353: "mdns", 5355: "llmnr", 6343: "sflow", 6881: "bittorrent", 41641: "tailscale",
  51820: "wireguard",
};
const NO_PORTS = new Set(["icmp", "icmpv6", "igmp", "gre", "esp", "ah"]);

/** What a port is commonly used for, or an empty text. */
export function serviceOf(protocol, port) {
  const ports = protocol === "tcp" ? TCP : protocol === "udp" ? UDP : {};
  return ports[port] ?? "";
}

/** `tcp/443`, and only the protocol where there are no ports. */
export function portText(protocol, port) {
  return NO_PORTS.has(protocol) ? protocol : `${protocol}/${port}`;
}
