-- Asks Vestibule whether a request may reach the dashboard, as
--     http-request lua.vestibule ADDRESS PATH TIMEOUT CREDENTIALS
-- Printed by `vestibule render haproxy --lua`; it is the same for every configuration.
--
-- If it may, the request is given what Vestibule says of it, and txn.vestibule is set to "passes". If not, the client gets
-- Vestibule's answer. Whatever goes wrong, txn.vestibule stays unset, and the configuration denies the request.

-- Of the connection and of the body, which stay here.
local not_sent = {
    ["connection"] = true, ["upgrade"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true,
    ["trailer"] = true, ["transfer-encoding"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
    ["http2-settings"] = true,
}

local said_by_vestibule = {
    "x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor", "x-vestibule-verified-at",
}

-- The values of a field in their order; HAProxy counts them from 0.
local function each(values)
    local at = -1
    return function()
        at = at + 1
        return values[at]
    end
end

local function question(txn)
    local fields = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not not_sent[name] then
            local list = {}
            for value in each(values) do
                table.insert(list, value)
            end
            fields[name] = list
        end
    end
    -- The target as it came; the configuration sends this very one to the dashboard.
    fields["x-forwarded-method"] = { txn.f:method() }
    fields["x-forwarded-uri"] = { txn.f:pathq() }
    fields["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    return fields
end

local function pass(txn, answer, credentials)
    -- All fields are always there, if it is Vestibule that answers.
    for _, name in ipairs(said_by_vestibule) do
        txn.http:req_set_header(name, answer.headers[name][0])
    end
    -- As they are to go on: the cookies without Vestibule's own, which is nobody else's business.
    for name in string.gmatch(credentials, "[^,]+") do
        local value = answer.headers[name][0]
        if value == "" then
            txn.http:req_del_header(name)
        else
            txn.http:req_set_header(name, value)
        end
    end
    txn:set_var("txn.vestibule", "passes")
end

local function deny(txn, answer)
    local reply = txn:reply({ status = answer.status, reason = answer.reason })
    for name, values in pairs(answer.headers) do
        if not not_sent[name] then
            for value in each(values) do
                reply:add_header(name, value)
            end
        end
    end
    if answer.body then
        reply:set_body(answer.body)
    end
    txn:done(reply)
end

core.register_action("vestibule", { "http-req" }, function(txn, address, path, timeout, credentials)
    local answer = core.httpclient():get({
        url = "http://vestibule" .. path,
        dst = address,
        headers = question(txn),
        timeout = tonumber(timeout),
    })
    if answer.status == 200 then
        pass(txn, answer, credentials)
    elseif answer.status >= 300 and answer.status <= 599 then
        deny(txn, answer)
    end
end, 4)
