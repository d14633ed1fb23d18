# Run by the build (cmake -P): writes files, each plain and gzipped, as one C++ header of constants.
#
#   cmake -DFOLDER=web -DFILES=index.html,app.js -DPAGE=index.html -DOUTPUT=…/web_files.inc -P EmbedFiles.cmake
#
# All but the page are addressed below a digest of them all, so that a browser may keep them for ever; the
# page, which names them as @FILES@/name, gets that in its place. The same files make the same header.
cmake_minimum_required(VERSION 3.25)  # before it @FILES@ would be a variable
string(REPLACE "," ";" names "${FILES}")
set(digests "")
foreach(name ${names})
  file(SHA256 "${FOLDER}/${name}" digest)
  string(APPEND digests "${name} ${digest}\n")
endforeach()
string(SHA256 version "${digests}")
string(SUBSTRING "${version}" 0 12 version)

set(media_type.css "text/css; charset=utf-8")
set(media_type.html "text/html; charset=utf-8")
set(media_type.js "text/javascript; charset=utf-8")
set(media_type.svg "image/svg+xml")

function(as_bytes file result)
  file(READ "${file}" hex HEX)
  # Bytes 4 to 7 of a gzip's head are a time. (No regular expression: its ^ matches again after each replacement.)
  if(file MATCHES "\\.gz$")
    string(SUBSTRING "${hex}" 0 8 head)
    string(SUBSTRING "${hex}" 16 -1 rest)
    set(hex "${head}00000000${rest}")
  endif()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  set(${result} "${bytes}" PARENT_SCOPE)
endfunction()

set(work "${OUTPUT}.work")
file(MAKE_DIRECTORY "${work}")
set(arrays "")
set(table "")
set(number 0)
foreach(name ${names})
  file(COPY_FILE "${FOLDER}/${name}" "${work}/${name}")
  if(name STREQUAL PAGE)
    file(READ "${work}/${name}" text)
    string(REPLACE "@FILES@" "/ui/files/${version}" text "${text}")
    file(WRITE "${work}/${name}" "${text}")
  endif()
  file(ARCHIVE_CREATE OUTPUT "${work}/${name}.gz" PATHS "${work}/${name}" FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
  as_bytes("${work}/${name}" plain)
  as_bytes("${work}/${name}.gz" gzipped)
  file(SHA256 "${work}/${name}" digest)
  string(SUBSTRING "${digest}" 0 16 etag)
  string(REGEX REPLACE "^.*\\." "" extension "${name}")
  string(APPEND arrays "constexpr unsigned char kPlain${number}[] = {${plain}};\nconstexpr unsigned char kGzipped${number}[] = {${gzipped}};\n")
  string(APPEND table "    {\"${name}\", \"${media_type.${extension}}\", \"${etag}\", kPlain${number}, kGzipped${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Made by cmake/EmbedFiles.cmake out of ${FILES}.\n"
  "constexpr std::string_view kVersion = \"${version}\";\n${arrays}constexpr std::array<WebFile, ${number}> kFiles{{\n${table}}};\n")
