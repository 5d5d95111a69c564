# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Style and script of the HTML report. Both stand in the page itself, so it works from a mail attachment."""

from __future__ import annotations

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5d6a7c;--line:#e0e5ec;--ok:#12805c;--okbg:#e3f5ee;--warning:#9a6200;
--warningbg:#fdf1d8;--error:#b3261e;--errorbg:#fbe6e4;--unknown:#5b4bab;--unknownbg:#ece9fb;--accent:#2457c5;--lan:#8fa3bd}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--bg:#10151c;--card:#19212b;--ink:#e6ebf2;--soft:#98a6b8;
--line:#2b3644;--ok:#5fd0a5;--okbg:#12352a;--warning:#f0b957;--warningbg:#3a2c10;--error:#ff8d85;--errorbg:#43191a;
--unknown:#b6a9ff;--unknownbg:#2a2450;--accent:#8db4ff;--lan:#4c607a}}
:root[data-theme=dark]{--bg:#10151c;--card:#19212b;--ink:#e6ebf2;--soft:#98a6b8;--line:#2b3644;--ok:#5fd0a5;--okbg:#12352a;
--warning:#f0b957;--warningbg:#3a2c10;--error:#ff8d85;--errorbg:#43191a;--unknown:#b6a9ff;--unknownbg:#2a2450;
--accent:#8db4ff;--lan:#4c607a}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:20px 16px}
footer{max-width:1180px;margin:0 auto;padding:8px 16px 32px;color:var(--soft);font-size:13px}
.skip-link{position:absolute;left:-9999px}.skip-link:focus{left:12px;top:12px;background:var(--card);padding:8px 12px}
section,.banner{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:18px 20px;margin:0 0 16px}
h1{font-size:18px;margin:0;font-weight:600}h2{font-size:17px;margin:0 0 8px}h3{font-size:15px;margin:0 0 6px;
overflow-wrap:anywhere}
p{margin:4px 0 8px;overflow-wrap:anywhere}.note{color:var(--soft);font-weight:400;font-size:13px}
.banner{border-left:6px solid var(--ok)}.banner.error{border-left-color:var(--error)}
.banner.warning{border-left-color:var(--warning)}.banner.unknown{border-left-color:var(--unknown)}
.top{display:flex;gap:12px;align-items:center;flex-wrap:wrap}.top h1{flex:1;min-width:0;overflow-wrap:anywhere}
.when{color:var(--soft);font-size:13px}
.verdict{font-size:20px;line-height:1.4;margin:10px 0 12px}
.badge{display:inline-block;border-radius:999px;padding:1px 10px;font-size:12px;font-weight:600;letter-spacing:.02em;
vertical-align:middle;background:var(--unknownbg);color:var(--unknown)}
.badge.ok{background:var(--okbg);color:var(--ok)}.badge.warning{background:var(--warningbg);color:var(--warning)}
.badge.error,.badge.broken{background:var(--errorbg);color:var(--error)}
.figures{display:flex;gap:10px;flex-wrap:wrap}
.figure{border:1px solid var(--line);border-radius:10px;padding:8px 14px;min-width:92px}
.figure b{display:block;font-size:22px;line-height:1.2;font-variant-numeric:tabular-nums}
.figure span{color:var(--soft);font-size:12px}
.figure.error b{color:var(--error)}.figure.warning b{color:var(--warning)}.figure.unknown b{color:var(--unknown)}
.card{border:1px solid var(--line);border-left:4px solid var(--unknown);border-radius:10px;padding:12px 14px;margin:0 0 10px}
.many .card{content-visibility:auto;contain-intrinsic-size:auto 120px}
.card.error,.card.broken{border-left-color:var(--error)}.card.warning{border-left-color:var(--warning)}
.card.info{border-left-color:var(--accent)}
.cause b,.fix b{color:var(--soft);font-size:12px;text-transform:uppercase;letter-spacing:.05em;margin-right:6px}
a{color:var(--accent)}a.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px;
text-decoration:none;white-space:nowrap}a.code:hover{text-decoration:underline}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px;overflow-wrap:anywhere}
.command{display:inline-flex;gap:6px;align-items:center;background:var(--bg);border:1px solid var(--line);border-radius:6px;
padding:1px 4px 1px 8px;max-width:100%}
button{font:inherit;font-size:12px;border:1px solid var(--line);background:var(--card);color:var(--ink);border-radius:6px;
padding:2px 8px;cursor:pointer;white-space:nowrap}button:hover{border-color:var(--accent)}
button:focus-visible,input:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.chain{list-style:none;margin:10px 0;padding:0}
.chain li{display:flex;gap:10px;padding:3px 0 3px 18px;border-left:2px solid var(--line);position:relative;margin-left:6px}
.chain li:before{content:"";position:absolute;left:-7px;top:9px;width:12px;height:12px;border-radius:50%;background:var(--ok);
border:2px solid var(--card)}
.chain li.failed:before{background:var(--error)}.chain li.warning:before{background:var(--warning)}
.chain li.skipped:before,.chain li.unknown:before{background:var(--unknown)}
.chain li.failed span{color:var(--error);font-weight:600}.chain b{min-width:132px;font-weight:600}
.scroll{overflow-x:auto}
.fixed{table-layout:fixed;min-width:640px}
table{border-collapse:collapse;width:100%}.wide{font-size:14px}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{color:var(--soft);font-size:12px;font-weight:600;position:sticky;top:0;background:var(--card)}
td{font-variant-numeric:tabular-nums}tr.broken td:last-child{color:var(--error);font-weight:600}
tr.warning td:last-child{color:var(--warning);font-weight:600}tr.unknown td:last-child{color:var(--unknown);font-weight:600}
tr.ok td:last-child{color:var(--ok)}
.filter{font:inherit;width:100%;max-width:420px;padding:7px 12px;margin:0 0 10px;border:1px solid var(--line);border-radius:8px;
background:var(--bg);color:var(--ink)}
details summary{cursor:pointer;color:var(--accent);font-size:13px}
.legend{font-size:13px;color:var(--soft)}.legend i,.cells i{display:inline-block;width:14px;height:14px;border-radius:3px;
vertical-align:middle;margin:0 2px 2px 0}.legend i{margin:0 4px 0 12px}
i.used{background:var(--accent)}i.free{background:var(--okbg);border:1px solid var(--line)}i.foreign{background:var(--error)}
.pool{margin:0 0 12px}.bar{height:14px;border-radius:7px;background:var(--okbg);border:1px solid var(--line);overflow:hidden}
.bar span{display:block;height:100%;background:var(--accent)}
svg{display:block;font-family:inherit}svg text{fill:var(--ink);font-size:13px}
.lan{stroke:var(--lan);stroke-width:6;stroke-linecap:round}.drop{stroke:var(--lan);stroke-width:2}.tap{fill:var(--lan)}
.host rect{fill:var(--card);stroke:var(--line);stroke-width:1.5}.host text{text-anchor:middle}
.host .name{font-weight:600}.host .mac,.host .remark{fill:var(--soft);font-size:11px}
.host.node rect{stroke:var(--ok)}.host.idle rect{stroke-dasharray:4 3}.host.down rect{stroke:var(--error);stroke-dasharray:4 3}
.host.stranger rect{fill:var(--errorbg);stroke:var(--error)}.host.stranger text{fill:var(--error)}
.host.silent rect{stroke:var(--error);stroke-dasharray:2 4}
.pill rect{fill:var(--okbg)}.pill .address{font-weight:600;font-size:12px;fill:var(--ok)}
.pill .service{font-size:11px;fill:var(--soft)}
.pill.broken rect{fill:var(--errorbg)}.pill.broken .address{fill:var(--error)}
.pill.warning rect{fill:var(--warningbg)}.pill.warning .address{fill:var(--warning)}
.pill.unknown rect{fill:var(--unknownbg)}.pill.unknown .address{fill:var(--unknown)}
.more{text-anchor:middle;font-size:12px!important;fill:var(--soft)!important}
.time{fill:var(--accent)}.timings .value{font-size:12px;fill:var(--soft)}
[hidden]{display:none!important}
@media (max-width:560px){.verdict{font-size:17px}.chain li{flex-direction:column;gap:0}section,.banner{padding:14px}}
@media print{:root{--bg:#fff;--card:#fff}button,.filter,.skip-link{display:none!important}section,.banner{break-inside:avoid;
border:1px solid #ccc}.many .card{content-visibility:visible}.segment,.timings{max-width:100%;height:auto}}
"""

SCRIPT = """
(function(){
"use strict";
var root=document.documentElement;
document.getElementById("theme").addEventListener("click",function(){
  var dark=root.dataset.theme?root.dataset.theme==="dark":matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme=dark?"light":"dark";
});
document.addEventListener("click",function(event){
  var button=event.target.closest("button.copy");
  if(!button){return;}
  var text=button.dataset.copy;
  function done(){button.textContent="Copied";setTimeout(function(){button.textContent="Copy";},1500);}
  function by_hand(){
    var area=document.createElement("textarea");
    area.value=text;document.body.appendChild(area);area.select();
    try{document.execCommand("copy");done();}finally{area.remove();}
  }
  if(navigator.clipboard&&window.isSecureContext){navigator.clipboard.writeText(text).then(done,by_hand);}else{by_hand();}
});
Array.prototype.forEach.call(document.querySelectorAll("input.filter"),function(input){
  var place=document.getElementById(input.dataset.for);
  var rows=place.tagName==="TABLE"?place.tBodies[0].rows:place.children;
  var texts=null;
  input.addEventListener("input",function(){
    if(!texts){texts=Array.prototype.map.call(rows,function(row){return row.textContent.toLowerCase();});}
    var words=input.value.toLowerCase().split(/\\s+/).filter(Boolean);
    for(var i=0;i<rows.length;i++){
      rows[i].hidden=!words.every(function(word){return texts[i].indexOf(word)>=0;});
    }
  });
  input.addEventListener("keydown",function(event){
    if(event.key==="Escape"){input.value="";input.dispatchEvent(new Event("input"));}
  });
});
document.addEventListener("keydown",function(event){
  if(event.key==="/"&&!/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)){
    var first=document.querySelector("input.filter");
    if(first){event.preventDefault();first.focus();}
  }
});
})();
"""
