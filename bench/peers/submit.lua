-- For wrk: every request submits a year of another symbol. The first argument begins the symbols.
local prefix, count = "A", 0

function init(arguments)
  prefix = arguments[1] or prefix
end

function request()
  local number, letters = count, ""
  count = count + 1
  for _ = 1, 4 do
    letters = string.char(65 + number % 26) .. letters
    number = math.floor(number / 26)
  end
  local body = '{"root":"' .. prefix .. letters .. '","start_date":"20240101","end_date":"20241231"}'
  return wrk.format("POST", "/historical/option", {["Content-Type"] = "application/json"}, body)
end

function response(status)
  if status ~= 202 then
    io.stderr:write("a submit was answered with " .. status .. "\n")
    os.exit(1)
  end
end
