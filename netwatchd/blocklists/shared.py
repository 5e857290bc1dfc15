"""Addresses and names that many unrelated parties share: that one of them is bad says nothing of who talks with it.

Networks as their owners publish them; they change seldom, and where one is missing, `allow` of [blocklists] or a file
of MISP's warning lists makes up for it.
"""

from netwatchd.addresses import Networks

RESERVED = (
    ("a private, shared or link-local address", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 "
     "fc00::/7 fe80::/10"),  # RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291
    ("this machine itself", "127.0.0.0/8 0.0.0.0/8 ::1/128 ::/128"),  # RFC 1122
    ("a multicast or broadcast address", "224.0.0.0/4 255.255.255.255/32 ff00::/8"),  # RFC 1112, RFC 4291
)  # fmt: skip
RESOLVERS = (
    ("Google Public DNS", "8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844"),  # developers.google.com/speed
    ("the resolver of Cloudflare", "1.1.1.0/30 1.0.0.0/30 2606:4700:4700::/48"),  # 1.1.1.1
    ("the resolver of Quad9", "9.9.9.0/28 149.112.112.0/24 2620:fe::/48"),  # quad9.net
    ("OpenDNS", "208.67.220.0/24 208.67.222.0/24 2620:119:35::/48 2620:119:53::/48"),  # opendns.com
    ("the resolver of AdGuard", "94.140.14.0/23 2a10:50c0::/32"),  # adguard-dns.io
    ("CleanBrowsing", "185.228.168.0/23"),  # cleanbrowsing.org
    ("NextDNS", "45.90.28.0/22 2a07:a8c0::/29"),  # nextdns.io
    ("the resolver of Mullvad", "194.242.2.0/24"),  # mullvad.net
    ("the resolver of Level 3", "4.2.2.0/29"),
    ("the resolver of Verisign", "64.6.64.6 64.6.65.6"),
    ("the resolver of Hurricane Electric", "74.82.42.42 2001:470:20::2"),
    ("the resolver of Yandex", "77.88.8.0/26"),  # dns.yandex.com
    ("AliDNS", "223.5.5.5 223.6.6.6"),
    ("DNSPod", "119.29.29.29"),
    ("a root name server", "198.41.0.4 170.247.170.2 192.33.4.12 199.7.91.13 192.203.230.10 192.5.5.241 192.112.36.4 "
     "198.97.190.53 192.36.148.17 192.58.128.30 193.0.14.129 199.7.83.42 202.12.27.33"),  # root-servers.org
)  # fmt: skip
NETWORKS = (
    # www.cloudflare.com/ips-v4, ips-v6
    ("an address that customers of Cloudflare share", "173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 "
     "141.101.64.0/18 108.162.192.0/18 190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 "
     "104.16.0.0/13 104.24.0.0/14 172.64.0.0/13 131.0.72.0/22 2400:cb00::/32 2606:4700::/32 2803:f800::/32 "
     "2405:b500::/32 2405:8100::/32 2a06:98c0::/29 2c0f:f248::/32"),
    # api.fastly.com/public-ip-list
    ("an address that customers of Fastly share", "23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 "
     "103.245.224.0/24 104.156.80.0/20 140.248.64.0/18 140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 "
     "167.82.0.0/17 167.82.128.0/20 167.82.160.0/20 167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21 "
     "199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32"),
    # ip-ranges.amazonaws.com/ip-ranges.json, service CLOUDFRONT: the large ones
    ("an address that customers of CloudFront share", "13.32.0.0/15 13.35.0.0/16 13.224.0.0/14 13.249.0.0/16 "
     "18.64.0.0/14 18.154.0.0/15 18.160.0.0/15 18.164.0.0/15 18.172.0.0/15 18.238.0.0/15 18.244.0.0/15 52.84.0.0/15 "
     "52.222.128.0/17 54.182.0.0/16 54.192.0.0/16 54.230.0.0/16 54.239.128.0/18 64.252.64.0/18 65.8.0.0/16 65.9.0.0/17 "
     "99.84.0.0/16 99.86.0.0/16 108.138.0.0/15 108.156.0.0/14 143.204.0.0/16 204.246.164.0/22 205.251.192.0/19 "
     "216.137.32.0/19 2600:9000::/28"),
    # docs.github.com: GitHub Pages
    ("an address that the pages of GitHub share", "185.199.108.0/22 2606:50c0:8000::/46"),
)  # fmt: skip

# Hosts where anybody can put something, and domains that whole parts of the internet are served from. They stand in
# lists of URLs, because one of these URLs was bad. Only the names themselves are allowed: a name below one of them that
# is listed by itself, such as one customer's, is found all the same.
NAMES = frozenset((
    "1drv.ms", "akamai.net", "akamaiedge.net", "amazon.com", "amazonaws.com", "api.telegram.org", "apple.com",
    "archive.org", "azureedge.net", "bit.ly", "bitbucket.org", "blob.core.windows.net", "blogger.com",
    "blogspot.com", "box.com", "cdn.discordapp.com", "cdn.jsdelivr.net", "cdnjs.cloudflare.com", "cloudflare.com",
    "cloudfront.net", "codeload.github.com", "discord.com", "discordapp.com", "dl.dropbox.com",
    "dl.dropboxusercontent.com", "docs.google.com", "drive.google.com", "drive.usercontent.google.com",
    "dropbox.com", "dropboxusercontent.com", "edgekey.net", "facebook.com", "fastly.net", "files.catbox.moe",
    "firebasestorage.googleapis.com", "fonts.googleapis.com", "forms.gle", "gist.github.com",
    "gist.githubusercontent.com", "github.com", "github.io", "githubusercontent.com", "gitlab.com", "gofile.io",
    "google.com", "googleapis.com", "googleusercontent.com", "goo.gl", "gstatic.com", "icloud.com", "instagram.com",
    "jsdelivr.net", "linkedin.com", "live.com", "mediafire.com", "media.discordapp.net", "microsoft.com", "msn.com",
    "netlify.app", "notion.site", "objects.githubusercontent.com", "office.com", "office365.com",
    "onedrive.live.com", "outlook.com", "pages.dev", "pastebin.com", "paypal.com", "r2.dev",
    "raw.githubusercontent.com", "s3.amazonaws.com", "sharepoint.com", "sites.google.com", "sourceforge.net",
    "storage.googleapis.com", "t.co", "t.me", "telegram.org", "tinyurl.com", "trycloudflare.com", "twitter.com",
    "unpkg.com", "vercel.app", "web.app", "wetransfer.com", "whatsapp.com", "windows.com", "windows.net",
    "windowsupdate.com", "wordpress.com", "workers.dev", "www.dropbox.com", "www.google.com", "www.mediafire.com",
    "x.com", "yahoo.com", "youtube.com",
))  # fmt: skip


def networks_with_reasons() -> list[tuple[Networks, str]]:
    """All of these networks, with what they are."""
    return [(Networks(text.split()), why) for why, text in (*RESERVED, *RESOLVERS, *NETWORKS)]
