"use strict";
let spec;
const el=(tag,props={},...kids)=>{const e=Object.assign(document.createElement(tag),props);e.append(...kids.filter(k=>k!=null));return e};
const deref=s=>{while(s&&s.$ref)s=s.$ref.split("/").slice(1).reduce((o,k)=>o[k],spec);return s||{}};
function typeOf(s,depth=0){
  if(!s)return"any";if(s.$ref&&depth>2)return s.$ref.split("/").pop();s=deref(s);
  if(s.enum)return s.enum.map(v=>JSON.stringify(v)).join(" | ");if("const"in s)return JSON.stringify(s.const);
  const many=s.anyOf||s.oneOf;if(many)return many.map(x=>typeOf(x,depth+1)).join(" | ");
  if(s.type==="array")return"["+typeOf(s.items,depth+1)+"]";if(s.type==="object"&&s.properties)return s.title||"object";
  return s.type||"any";
}
function outline(s,depth=0){
  s=deref(s);const pad="  ".repeat(depth+1),many=s.anyOf||s.oneOf;
  if(many){const shown=many.filter(x=>deref(x).type!=="null");return shown.map(x=>outline(x,depth)).join("\n"+pad+"| ")+(shown.length<many.length?" | null":"")}
  if(s.type==="array")return"["+outline(s.items,depth)+"]";
  if(s.properties&&depth<5){
    const need=new Set(s.required||[]);
    return"{\n"+Object.entries(s.properties).map(([k,v])=>pad+JSON.stringify(k)+(need.has(k)?"":"?")+": "+outline(v,depth+1)).join(",\n")+"\n"+"  ".repeat(depth)+"}";
  }
  return typeOf(s);
}
function example(s,depth=0){
  s=deref(s);if("default"in s)return s.default;if(s.enum)return s.enum[0];
  if(s.type==="object"||s.properties){const o={};for(const k of s.required||[])o[k]=example((s.properties||{})[k],depth+1);return o}
  if(s.type==="array")return depth<3?[example(s.items,depth+1)]:[];if(s.type==="integer"||s.type==="number")return 0;if(s.type==="boolean")return false;
  return s.type==="string"?"":null;
}
function fieldTable(title,rows){
  if(!rows.length)return null;
  const body=rows.map(([name,need,schema,note])=>el("tr",{},el("td",{},el("code",{textContent:name+(need?" *":"")})),el("td",{},el("code",{textContent:typeOf(schema)})),
    el("td",{textContent:[note||deref(schema).description||"","default"in deref(schema)?"default "+JSON.stringify(deref(schema).default):""].filter(Boolean).join("; ")})));
  return el("div",{},el("h4",{textContent:title}),el("table",{},...body));
}
function tryForm(path,method,op,bodySchema,form){
  const inputs=(op.parameters||[]).map(p=>{const i=el("input",{placeholder:p.name+(p.required?" *":"")});i.param=p;return i});
  const body=bodySchema&&!form?el("textarea",{value:JSON.stringify(example(bodySchema),null,2)}):null;
  const file=form?el("input",{type:"file"}):null,out=el("pre",{hidden:true}),go=el("button",{textContent:"Send"});
  go.onclick=async()=>{
    let url=path;const q=new URLSearchParams();
    for(const i of inputs){if(i.param.in==="path")url=url.replace("{"+i.param.name+"}",encodeURIComponent(i.value));else if(i.value!=="")q.append(i.param.name,i.value)}
    if([...q].length)url+="?"+q;
    const init={method:method.toUpperCase()};
    if(body&&body.value.trim()){init.body=body.value;init.headers={"Content-Type":"application/json"}}
    if(file&&file.files[0]){init.body=new FormData();init.body.append("file",file.files[0])}
    out.hidden=false;out.textContent="…";
    try{const t=performance.now(),r=await fetch(url,init),text=await r.text();let shown=text;try{shown=JSON.stringify(JSON.parse(text),null,2)}catch(e){}
      out.textContent=r.status+" "+r.statusText+" · "+Math.round(performance.now()-t)+" ms · "+(r.headers.get("X-Request-ID")||"")+"\n\n"+shown}
    catch(e){out.textContent=String(e)}
  };
  return el("div",{},el("h4",{textContent:"Try it"}),...inputs,body,file,go,out);
}
function operation(path,method,op){
  const content=op.requestBody?op.requestBody.content:{},form="multipart/form-data"in content,bodySchema=form?content["multipart/form-data"].schema:(content["application/json"]||{}).schema;
  const inner=el("div");
  const node=el("details",{className:"op"+(op.deprecated?" gone":"")},el("summary",{},el("span",{className:"m "+method,textContent:method.toUpperCase()}),el("code",{textContent:path}),el("span",{className:"sum",textContent:op.summary||""})),inner);
  node.text=(method+" "+path+" "+(op.summary||"")).toLowerCase();
  node.addEventListener("toggle",()=>{
    if(!node.open||inner.firstChild)return;
    const ok=(op.responses||{})["200"]||{},okSchema=((ok.content||{})["application/json"]||{}).schema;
    let shape=bodySchema&&deref(bodySchema);if(shape&&shape.anyOf)shape=deref(shape.anyOf.find(x=>deref(x).type!=="null"));
    inner.append(...[op.description?el("p",{textContent:op.description}):null,
      fieldTable("Parameters",(op.parameters||[]).map(p=>[p.name,p.required,p.schema,p.description])),
      shape?fieldTable("Body",Object.entries(shape.properties||{}).map(([k,v])=>[k,(shape.required||[]).includes(k),v,v.description])):null,
      okSchema?el("div",{},el("h4",{textContent:"Answer"}),el("pre",{textContent:outline(okSchema)})):null,
      tryForm(path,method,op,shape||bodySchema,form)].filter(Boolean));
  });
  return node;
}
(async()=>{
  spec=await(await fetch("openapi.json")).json();
  document.getElementById("about").replaceChildren(spec.info.summary+" · version "+spec.info.version+" · ",el("a",{href:"openapi.json",textContent:"openapi.json"}));
  const groups=new Map();
  for(const[path,methods]of Object.entries(spec.paths))for(const[method,op]of Object.entries(methods)){const tag=(op.tags||["other"])[0];if(!groups.has(tag))groups.set(tag,[]);groups.get(tag).push(operation(path,method,op))}
  const main=document.getElementById("ops");
  for(const[tag,nodes]of groups)main.append(el("section",{},el("h2",{textContent:tag}),...nodes));
  document.getElementById("filter").oninput=e=>{const want=e.target.value.toLowerCase();for(const s of main.children){let any=false;for(const n of s.querySelectorAll("details.op")){n.hidden=!n.text.includes(want);any=any||!n.hidden}s.hidden=!any}};
})().catch(e=>{document.getElementById("about").textContent="openapi.json could not be read: "+e});
