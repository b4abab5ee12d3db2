using Keyreeve.AspNetCore;

// A VAL server of the service pump-control: it answers whoever shows an access token for it (TS 33.434 clause 5.2.5).
//
//   dotnet run --project samples/ValServer -- --issuer https://localhost:9443 --ca "$PWD/data/ca.pem" --urls http://127.0.0.1:5080
//
// http is for this sample on one machine; everywhere else a bearer token travels over TLS alone.
var builder = WebApplication.CreateSlimBuilder(args);
var settings = builder.Configuration;

builder.Services.AddAuthentication().AddKeyreeveTokens(tokens =>
{
    tokens.Issuer = settings["issuer"] ?? "https://localhost:9443";
    tokens.RootsPem = File.ReadAllText(settings["ca"] ?? "data/ca.pem");
    tokens.Audience = "https://val.example/pump-control";
});

var app = builder.Build();
app.UseAuthentication();
app.UseAuthorization();

app.MapGet("/pumps", (HttpContext context) =>
{
    var token = context.User.AccessToken()!;
    return TypedResults.Text($"{token.Claims.GetString("val_user_id") ?? token.Subject} sees pump 1, which runs\n");
}).RequireScope("val:pump-control");

// Who starts a pump has logged in within the last five minutes: an older login is asked for again (RFC 9470).
app.MapPost("/pumps/1/start", () => TypedResults.Text("pump 1 starts\n"))
    .RequireScope("val:pump-control").RequireLoginWithin(TimeSpan.FromMinutes(5));

app.Run();
